"""Open incidents are found without looking at past ones, whatever the planner believes of their number"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_open = sa.text("resolved_at IS NULL")
    op.create_index("incident_open", "incident", ["id"], sqlite_where=is_open, postgresql_where=is_open)


def downgrade() -> None:
    op.drop_index("incident_open", "incident")
