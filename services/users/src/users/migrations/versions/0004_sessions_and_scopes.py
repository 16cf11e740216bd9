"""What a session was last used for, its last refresh token but one; scopes and last use of API keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("sessions", sa.Column("previous_digest", sa.LargeBinary))
    op.add_column("sessions", sa.Column("rotated_at", TIME))
    op.add_column("sessions", sa.Column("used_at", TIME, nullable=False, server_default=sa.func.now()))
    op.add_column("sessions", sa.Column("client", sa.Text, nullable=False, server_default=""))
    every = sa.text("'{read,write}'::text[]")
    op.add_column("api_keys", sa.Column("scopes", ARRAY(sa.Text), nullable=False, server_default=every))
    op.add_column("api_keys", sa.Column("last_used_at", TIME))


def downgrade() -> None:
    for column in ("previous_digest", "rotated_at", "used_at", "client"):
        op.drop_column("sessions", column)
    for column in ("scopes", "last_used_at"):
        op.drop_column("api_keys", column)
