"""Signing keys that a rotation has made."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("public", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=True),
        sa.Column("signs_from", TIME, nullable=False),
        sa.Column("verifies_until", TIME, nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_signing_keys"),
    )


def downgrade() -> None:
    op.drop_table("signing_keys")
