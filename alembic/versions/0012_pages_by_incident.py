"""PagerDuty's pages of an incident are found when it is forgotten"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("pagerduty_page_ours", "pagerduty_page", ["incident_id"])


def downgrade() -> None:
    op.drop_index("pagerduty_page_ours", "pagerduty_page")
