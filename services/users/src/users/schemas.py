"""What stands on the wire. A field that is not known is refused, so that a misspelt one is not lost."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from users.fields import Email, GivenSecret, Name, Password


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Registration(_In):
    email: Email
    name: Name
    password: Password


class AccountChange(_In):
    """What is left out, or null, stays as it is."""

    name: Name | None = None
    email: Email | None = None
    password: Password | None = None
    current_password: GivenSecret | None = Field(
        default=None, description="Needed to change the email or the password."
    )

    @model_validator(mode="after")
    def _confirmed(self) -> "AccountChange":
        if (self.email or self.password) and self.current_password is None:
            raise ValueError("current_password is needed to change the email or the password")
        return self


class UserChange(_In):
    """An administrator's. What is left out, or null, stays as it is."""

    name: Name | None = None
    is_active: StrictBool | None = None
    is_admin: StrictBool | None = None


class UserOut(_Out):
    id: int
    email: str
    name: str
    is_active: bool
    is_admin: bool
    created_at: datetime


class AccessToken(BaseModel):
    """RFC 6749, section 5.1; `expires_in` is seconds."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the type's name
    expires_in: int


class TokenPair(AccessToken):
    refresh_token: str


class Refresh(_In):
    refresh_token: GivenSecret


class ApiKeyRequest(_In):
    name: Name
    expires_in_days: int | None = Field(default=None, ge=1, le=3650, description="Unset: it never expires.")


class ApiKeyOut(_Out):
    id: int
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None


class ApiKeyCreated(ApiKeyOut):
    key: str = Field(description="Shown this once.")


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
