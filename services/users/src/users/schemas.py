"""Wire models. Unknown fields are refused, so that a misspelt one is noticed."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import MISSING, BaseModel, ConfigDict, Field, JsonValue, StrictBool, model_validator

from shared.fields import A_NUMBER, IN_DIGITS, LARGEST_ID
from shared.identity.caller import READ_SCOPE, WRITE_SCOPE
from shared.schemas import WireChange, WireIn, WireOut
from users.domain import AuditKind, AuditQuery, Session
from users.fields import Email, GivenSecret, Name, NewEmail, Password

Scope = Literal["read", "write"]


class Registration(WireIn):
    email: NewEmail
    name: Name
    password: Password


class AccountChange(WireChange):
    """Fields that are given are changed; fields that are left out stay."""

    proofs: ClassVar[frozenset[str]] = frozenset({"current_password"})
    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["name"]}, {"required": ["password"]}],
            "dependentRequired": {"password": ["current_password"]},
        }
    )

    name: Name | MISSING = MISSING
    password: Password | MISSING = MISSING
    current_password: GivenSecret | MISSING = Field(
        default=MISSING, description="Needed to change the password.", examples=["correct horse battery"]
    )

    @model_validator(mode="after")
    def _confirmed(self) -> Self:
        if "password" in self.model_fields_set and self.current_password is MISSING:
            raise ValueError("current_password is needed to change the password")
        return self


class UserChange(WireChange):
    """By an administrator. Fields that are given are changed; fields that are left out stay."""

    name: Name | MISSING = MISSING
    is_active: StrictBool | MISSING = MISSING
    is_admin: StrictBool | MISSING = MISSING


class EmailChange(WireIn):
    """Takes effect when the new email is confirmed."""

    email: NewEmail
    current_password: GivenSecret = Field(examples=["correct horse battery"])


class EmailRequest(WireIn):
    email: Email


class Confirmation(WireIn):
    token: GivenSecret = Field(description="From the mail; good once.", examples=["dGhlIHRva2Vu"])


class PasswordReset(Confirmation):
    password: Password


class UserOut(WireOut):
    id: int
    email: str
    email_verified: bool
    name: str
    is_active: bool
    is_admin: bool
    created_at: datetime


class AccessToken(WireOut):
    """RFC 6749, section 5.1; `expires_in` is seconds."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the type's name
    expires_in: int


class TokenPair(AccessToken):
    refresh_token: str


class PasswordGrant(BaseModel):
    """RFC 6749, section 4.3.2; other fields are ignored."""

    grant_type: Literal["password"] | None = None
    username: str = Field(description="The email.", examples=["ada@example.com"])
    password: str = Field(examples=["correct horse battery"], json_schema_extra={"format": "password"})


class Refresh(WireIn):
    refresh_token: GivenSecret = Field(examples=["dGhlIHJlZnJlc2ggdG9rZW4"])


class SessionOut(WireOut):
    id: str
    client: str = Field(description="What the client called itself at the sign-in.")
    created_at: datetime
    used_at: datetime = Field(description="The last sign-in or refresh.")
    expires_at: datetime
    is_current: bool = Field(description="Whether the token of this request belongs to it.")

    @classmethod
    def of(cls, session: Session, current: str) -> Self:
        return cls(**asdict(session), is_current=session.id == current)


class ApiKeyRequest(WireIn):
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=2)] = Field(
        default=[READ_SCOPE, WRITE_SCOPE],
        description="`read` allows GET and HEAD, `write` all other methods.",
    )
    expires_in_days: Annotated[int, Field(ge=1, le=3650), A_NUMBER] | None = Field(
        default=None, description="Unset: it never expires.", examples=[90]
    )


class ApiKeyOut(WireOut):
    id: int
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class ApiKeyCreated(ApiKeyOut):
    key: str = Field(description="Shown this once.")


class AuditEventOut(WireOut):
    id: int
    at: datetime
    kind: str
    user_id: int | None = Field(description="Whom it happened to. Null: an unknown email, or all.")
    actor_id: int | None = Field(description="Who did it. 0: a command.")
    request_id: str
    detail: dict[str, JsonValue]


class AuditSearch(BaseModel):
    """Filters; all of them must match. Unknown parameters are ignored."""

    user_id: Annotated[int, Field(ge=1, le=LARGEST_ID), IN_DIGITS] | None = None
    kind: AuditKind | None = None

    @property
    def wanted(self) -> AuditQuery:
        return AuditQuery(self.user_id, self.kind)


class Jwk(BaseModel):
    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str
    alg: str


class Jwks(BaseModel):
    """RFC 7517, section 5."""

    keys: list[Jwk]
