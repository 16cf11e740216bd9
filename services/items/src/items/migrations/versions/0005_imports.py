"""Imports of many listings."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("caller_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller_id", "id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_updated_at", "imports", ["updated_at"])
    op.create_table(
        "import_errors",
        sa.Column("caller_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("import_id", sa.Text, nullable=False),
        sa.Column("line", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("caller_id", "import_id", "line", name=op.f("pk_import_errors")),
        sa.ForeignKeyConstraint(
            ["caller_id", "import_id"],
            ["imports.caller_id", "imports.id"],
            name=op.f("fk_import_errors_caller_id_import_id"),
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("import_errors")
    op.drop_table("imports")
