"""Upstreams as `routes.toml` and the settings declare them."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# As it stands in a Host field: a name of another script is written in Punycode.
_ORIGIN = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?/?")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if not _ORIGIN.fullmatch(url) or not parts.hostname or parts.port == 0:  # above 65535 it raises
        raise ValueError("an upstream is http://host:port or https://host:port")
    return url.rstrip("/")


Origin = Annotated[str, AfterValidator(_origin)]


class UpstreamConfig(BaseModel):
    """A service behind the gateway. Timeouts are in seconds; what is not given is the settings' to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    replicas: Annotated[tuple[Origin, ...], Field(min_length=1)]
    connect_timeout: Annotated[float, Field(gt=0)] | None = None
    connections: Annotated[int, Field(ge=1)] | None = None
    ca_file: Path | None = None

    def certificates(self) -> bytes:
        """What `ca_file` holds now. Raises OSError."""
        return self.ca_file.read_bytes() if self.ca_file is not None else b""

    def tls(self) -> ssl.SSLContext | None:
        """For https: certificates are always verified. Raises OSError if `ca_file` cannot be read."""
        if not any(replica.startswith("https:") for replica in self.replicas):
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def origins(text: str) -> tuple[str, ...]:
    """Of a variable: one or several, separated by commas. Raises ValueError."""
    found = tuple(_origin(url.strip()) for url in text.split(",") if url.strip())
    if not found:
        raise ValueError("an upstream is http://host:port or https://host:port")
    return found


def effective(
    declared: tuple[UpstreamConfig, ...], given: Mapping[str, str], overriding: set[str]
) -> dict[str, UpstreamConfig]:
    """The upstreams by name. `given` are the settings; those in `overriding` replace declared replicas."""
    found = {upstream.name: upstream for upstream in declared}
    for name, text in given.items():
        if name not in found:
            found[name] = UpstreamConfig(name=name, replicas=origins(text))
        elif name in overriding:
            found[name] = found[name].model_copy(update={"replicas": origins(text)})
    return found
