"""Which incidents a runbook was used in is found without looking at all of them"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("incident_section", "incident", ["section", "id"])


def downgrade() -> None:
    op.drop_index("incident_section", "incident")
