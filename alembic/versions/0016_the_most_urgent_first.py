"""What is owed is found in the order in which it is sent, however much is owed"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    op.create_index("delivery_urgent", "delivery", ["state", "urgency", "id"], sqlite_where=_PENDING, postgresql_where=_PENDING)
    op.create_index("delivery_next", "delivery", ["state", "due_at"], sqlite_where=_PENDING, postgresql_where=_PENDING)
    op.drop_index("delivery_due", "delivery")


def downgrade() -> None:
    op.create_index("delivery_due", "delivery", ["due_at"], sqlite_where=_PENDING, postgresql_where=_PENDING)
    op.drop_index("delivery_next", "delivery")
    op.drop_index("delivery_urgent", "delivery")
