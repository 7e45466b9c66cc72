"""When the newest event of a PagerDuty incident happened: an older one changes nothing any more"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pagerduty_page", sa.Column("told_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("pagerduty_page", "told_at")
