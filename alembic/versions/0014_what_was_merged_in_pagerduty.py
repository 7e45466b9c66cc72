"""Which PagerDuty incidents were merged into which: their webhooks come in any order"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pagerduty_merge",
        sa.Column("pagerduty_id", sa.Text(), nullable=False),
        sa.Column("into_id", sa.Text(), nullable=False),
        sa.Column("merged_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pagerduty_id"),
    )


def downgrade() -> None:
    op.drop_table("pagerduty_merge")
