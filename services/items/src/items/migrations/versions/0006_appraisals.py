"""Remembered appraisals, and which model appraises now."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "appraisals",
        sa.Column("item_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("features", JSONB, nullable=False),
        sa.Column("estimate", sa.Numeric(12, 2), nullable=False),
        sa.Column("low", sa.Numeric(12, 2), nullable=False),
        sa.Column("high", sa.Numeric(12, 2), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("appraised_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_appraisals")),
    )
    op.create_index("ix_appraisals_appraised_at", "appraisals", ["appraised_at"])
    op.create_table(
        "default_model",
        sa.Column("one", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_default_model")),
        sa.CheckConstraint("one", name=op.f("ck_default_model_one")),
    )


def downgrade() -> None:
    op.drop_table("default_model")
    op.drop_table("appraisals")
