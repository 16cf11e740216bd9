"""Listings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "items",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price", sa.Numeric(12, 2), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("features", JSONB),
        sa.Column(
            "carat", sa.Double, sa.Computed("(features ->> 'carat')::double precision", persisted=True)
        ),
        sa.Column("owner_id", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 200", name=op.f("ck_items_name_length")),
        sa.CheckConstraint("char_length(description) <= 5000", name=op.f("ck_items_description_length")),
        sa.CheckConstraint("price > 0", name=op.f("ck_items_price_positive")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_items_currency_code")),
        sa.CheckConstraint("jsonb_typeof(features) = 'object'", name=op.f("ck_items_features_object")),
        sa.CheckConstraint("updated_at >= created_at", name=op.f("ck_items_updated_after_created")),
    )
    op.create_index("ix_items_price", "items", ["price", "id"])
    op.create_index("ix_items_created_at", "items", ["created_at", "id"])
    op.create_index("ix_items_owner_id", "items", ["owner_id", "created_at", "id"])
    op.create_index("ix_items_carat", "items", ["carat", "id"])
    op.create_index(
        "ix_items_carat_descending", "items", [sa.text("carat DESC NULLS LAST"), sa.text("id DESC")]
    )
    op.create_index(
        "ix_items_features",
        "items",
        ["features"],
        postgresql_using="gin",
        postgresql_ops={"features": "jsonb_path_ops"},
    )


def downgrade() -> None:
    op.drop_table("items")
