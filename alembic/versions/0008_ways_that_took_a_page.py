"""Which of the other ways have taken a page already: only the rest is tried again"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fallback", sa.Column("taken", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("fallback", "taken")
