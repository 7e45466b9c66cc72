"""What Alertmanager holds of open incidents: since when nothing any more, and silences"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "held",
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("absent_since", sa.BigInteger(), nullable=True),
        sa.Column("silenced_by", sa.Text(), nullable=True),
        sa.Column("silenced_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id"),
    )


def downgrade() -> None:
    op.drop_table("held")
