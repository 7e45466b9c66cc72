"""Which PagerDuty incident holds which of our keys, the webhooks that were heard, and pages that were never confirmed"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pagerduty_page",
        sa.Column("dedup_key", sa.Text(), nullable=False),
        sa.Column("pagerduty_id", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("linked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dedup_key"),
    )
    op.create_index("pagerduty_page_incident", "pagerduty_page", ["pagerduty_id"])
    op.create_table(
        "pagerduty_webhook",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("delivery", sa.Column("unconfirmed_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("delivery") as batch_op:
        batch_op.drop_column("unconfirmed_at")
    op.drop_table("pagerduty_webhook")
    op.drop_index("pagerduty_page_incident", "pagerduty_page")
    op.drop_table("pagerduty_page")
