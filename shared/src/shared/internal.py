"""A shared secret that proves that an internal call comes from the gateway."""

import hmac

from pydantic import BaseModel, Field, SecretStr

from shared.exceptions import NotFound

HEADER = "X-Internal-Secret"
SHORTEST = 16


class InternalSettings(BaseModel):
    """For both ends of an internal route. The secret is made at the first start."""

    internal_secret: SecretStr = Field(min_length=SHORTEST, description="Proves that the gateway is calling.")


def require_internal(settings: InternalSettings, given: str) -> None:
    """Raises NotFound, so that the route is hidden from others."""
    wanted = settings.internal_secret.get_secret_value().encode()
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted):
        raise NotFound
