"""Searches for words, and by currency."""

import sqlalchemy as sa

from shared.migrations import create_index, drop_index

revision = "0004"
down_revision = "0003"

WORDS = """to_tsvector('simple'::regconfig, lower(name || ' ' || description COLLATE pg_c_utf8))"""


def upgrade() -> None:
    create_index("ix_items_currency", "items", ["currency", "created_at", "id"])
    create_index("ix_items_words", "items", [sa.text(WORDS)], postgresql_using="gin")


def downgrade() -> None:
    drop_index("ix_items_words", "items")
    drop_index("ix_items_currency", "items")
