"""Tables of the database `users`."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.events.outbox import outbox_table

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
TIME: Final = DateTime(timezone=True)


def _owner() -> Column[int]:
    return Column(
        "user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
    )


users = Table(
    "users",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("created_at", TIME, nullable=False, server_default=func.now()),
    Column("email_verified", Boolean, nullable=False, server_default=false()),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    _owner(),
    Column("family_digest", LargeBinary, nullable=False, unique=True),
    Column("refresh_digest", LargeBinary, nullable=False),
    Column("created_at", TIME, nullable=False, server_default=func.now()),
    Column("expires_at", TIME, nullable=False),
    Column("ended_at", TIME),
    Column("previous_digest", LargeBinary),
    Column("rotated_at", TIME),
    Column("used_at", TIME, nullable=False, server_default=func.now()),
    Column("client", Text, nullable=False, server_default=""),
)

# A session or API key whose access tokens are refused until `until`, when the last of them has expired.
# Written in the transaction that ends it, and kept when its account is deleted: Redis is told from here.
ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("user_id", BigInteger, nullable=False, index=True),
    Column("until", TIME, nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _owner(),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", TIME, nullable=False, server_default=func.now()),
    Column("expires_at", TIME),
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{read,write}'::text[]")),
    Column("last_used_at", TIME),
    Column("generation", Integer, nullable=False, server_default="0"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("public", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("signs_from", TIME, nullable=False),
    Column("verifies_until", TIME),
)

email_tokens = Table(
    "email_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _owner(),
    Column("purpose", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("created_at", TIME, nullable=False, server_default=func.now()),
    Column("expires_at", TIME, nullable=False),
)

# It outlives the accounts that it speaks of, so it has no foreign keys.
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", TIME, nullable=False, server_default=func.now(), index=True),
    Column("kind", Text, nullable=False),
    Column("user_id", BigInteger),
    Column("actor_id", BigInteger),
    Column("request_id", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Index("ix_audit_events_user_id", "user_id", "id"),
    Index("ix_audit_events_kind", "kind", "id"),
)

outbox = outbox_table(metadata)
