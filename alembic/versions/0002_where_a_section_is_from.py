"""Of a section, the commit that holds it, and the line of an escalation that could not be read"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("section", sa.Column("commit", sa.Text(), nullable=True))
    op.add_column("section", sa.Column("unread_line", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("section") as batch_op:
        batch_op.drop_column("unread_line")
        batch_op.drop_column("commit")
