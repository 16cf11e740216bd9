"""What Postgres keeps of a listing. `migrations` makes it, and a test holds the two together."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    false,
    func,
    literal_column,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.events.outbox import outbox_table

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# The words of a listing, in any language: nothing is stemmed, nothing is left out. pg_c_utf8 knows upper and
# lower case of every script, whatever the database's own locale knows.
SEARCHED: Final[ColumnElement[Any]] = literal_column(
    "to_tsvector('simple'::regconfig, lower(((name || ' '::text) || (description COLLATE pg_c_utf8))))"
)

items = Table(
    "items",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("price", Numeric(12, 2), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("features", JSONB(none_as_null=True)),
    # A column of its own, unlike an index on the expression, has a name for queries and statistics for the
    # planner; generated, unlike a plain one, it cannot differ from `features`.
    Column("carat", Double, Computed("(features ->> 'carat')::double precision", persisted=True)),
    Column("owner_id", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("hidden", Boolean, nullable=False, server_default=false()),  # its owner's account is deactivated
    CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint("char_length(description) <= 5000", name="description_length"),
    CheckConstraint("price > 0", name="price_positive"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_code"),
    CheckConstraint("jsonb_typeof(features) = 'object'", name="features_object"),
    CheckConstraint("updated_at >= created_at", name="updated_after_created"),
    # On the expression: a column of its own would rewrite the table when it is added, and block it.
    Index("ix_items_words", SEARCHED, postgresql_using="gin"),
)

# Each order ends with the id, so that it has no ties and an index can be read from either end.
Index("ix_items_price", items.c.price, items.c.id)
Index("ix_items_created_at", items.c.created_at, items.c.id)
Index("ix_items_currency", items.c.currency, items.c.created_at, items.c.id)
Index("ix_items_owner_id", items.c.owner_id, items.c.created_at, items.c.id)
# Two, because listings without a carat come last in both directions.
Index("ix_items_carat", items.c.carat, items.c.id)
Index("ix_items_carat_descending", items.c.carat.desc().nulls_last(), items.c.id.desc())
# Serves cut, color and clarity in every combination: features @> '{"cut": "Ideal", "color": "D"}'.
Index(
    "ix_items_features",
    items.c.features,
    postgresql_using="gin",
    postgresql_ops={"features": "jsonb_path_ops"},
)
# What events have said of accounts. An owner of whom there was no event is not in it, and active.
owners = Table(
    "owners",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    CheckConstraint("state IN ('active', 'deactivated', 'deleted')", name="state"),
)

# `answer` is the listing as it was answered, JSON in its own order.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
)

# How far each import is, and which lines were wrong.
imports = Table(
    "imports",
    metadata,
    Column("caller_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, primary_key=True),
    Column("line", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, index=True),
)
import_errors = Table(
    "import_errors",
    metadata,
    Column("caller_id", BigInteger, primary_key=True, autoincrement=False),
    Column("import_id", Text, primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["caller_id", "import_id"], ["imports.caller_id", "imports.id"], ondelete="CASCADE"),
)

# What models have said lately. It counts while the listing has the same features.
appraisals = Table(
    "appraisals",
    metadata,
    Column("item_id", BigInteger, primary_key=True, autoincrement=False),
    Column("features", JSONB, nullable=False),
    Column("estimate", Numeric(12, 2), nullable=False),
    Column("low", Numeric(12, 2), nullable=False),
    Column("high", Numeric(12, 2), nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("appraised_at", DateTime(timezone=True), nullable=False, index=True),
)
# The model that answers where none is named, as far as is known: one row at most.
default_model = Table(
    "default_model",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=true()),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("learned_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("one", name="one"),
)

outbox = outbox_table(metadata)
