"""Tables of the database `users`."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    LargeBinary,
    MetaData,
    Text,
    false,
    func,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy declares it so
        str: Text,
        bytes: LargeBinary,
        int: BigInteger,
        datetime: DateTime(timezone=True),
    }


class User(Base):
    """`email` is stored lower-cased, so that its index makes it unique whatever its case."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=true())
    is_admin: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Session(Base):
    """One sign-in. `id` is the `sid` of its access tokens; see `credentials.RefreshToken` for the digests."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    family_digest: Mapped[bytes] = mapped_column(unique=True)
    refresh_digest: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class EndedSession(Base):
    """A session or API key whose access tokens are refused until `until`, when the last of them has expired.

    Written in the transaction that ends it, and kept when its account is deleted: Redis is told from here.
    """

    __tablename__ = "ended_sessions"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(index=True)
    until: Mapped[datetime] = mapped_column(index=True)


class SigningKey(Base):
    """A key that signs access tokens. The private half is sealed; the first key's is in a file instead."""

    __tablename__ = "signing_keys"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    public: Mapped[str]
    sealed: Mapped[bytes | None]
    signs_from: Mapped[datetime]
    verifies_until: Mapped[datetime | None]


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]

    @property
    def session_id(self) -> str:
        """The `sid` of the tokens that stand for this key."""
        return f"{KEY_SESSION}{self.id}"


KEY_SESSION = "key-"
