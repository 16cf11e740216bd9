"""Facts for other services, what is known of owners, and listings that are hidden with their owner."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("items", sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "owners",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owners")),
        sa.CheckConstraint("state IN ('active', 'deactivated', 'deleted')", name=op.f("ck_owners_state")),
    )
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("data", JSONB, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_unsent", "outbox", ["sequence"], postgresql_where=sa.text("position IS NULL"))
    op.create_index("ix_outbox_position", "outbox", ["position"])
    op.create_index("ix_outbox_occurred_at", "outbox", ["occurred_at"])


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("owners")
    op.drop_column("items", "hidden")
