"""The secret that proves that a call comes from another service of ours, and not only from its network."""

import hmac

from pydantic import BaseModel, Field, SecretStr

from shared.exceptions import NotFound

HEADER = "X-Internal-Secret"
SHORTEST = 16


class InternalSettings(BaseModel):
    """For the two ends of an internal route. Made at the first start, and given to those two alone."""

    internal_secret: SecretStr = Field(min_length=SHORTEST, description="Proves that the gateway is calling.")


def require_internal(settings: InternalSettings, given: str) -> None:
    """Raises NotFound: to everybody else there is no such route."""
    wanted = settings.internal_secret.get_secret_value().encode()
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted):
        raise NotFound
