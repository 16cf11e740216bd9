"""The gateway's environment, prefix `GATEWAY_`."""

import re
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from gateway.route_table import RouteTable, load_routes
from gateway.upstream_table import UpstreamConfig, effective, origins
from shared.internal import InternalSettings
from shared.settings import Port, RemoteIdentitySettings, ServiceSettings

DEFAULT_ROUTES = Path(__file__).parent / "routes.toml"
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?")
# Where the development servers of the usual front-end tools listen.
LOCAL_FRONT_ENDS = tuple(
    f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (3000, 5173, 8080)
)


class GatewaySettings(ServiceSettings, RemoteIdentitySettings, InternalSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    service: str = "gateway"
    port: Port = 8000

    users_url: str = "http://127.0.0.1:8001"
    items_url: str = "http://127.0.0.1:8002"
    ml_predict_url: str = "http://127.0.0.1:8003"
    routes_file: Path = DEFAULT_ROUTES

    cors_origins: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        description="Exact origins, separated by commas: https://shop.example,http://localhost:3000. "
        "Unset: the usual local front ends in development, none in production. `none`: none.",
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(),
        description="Load balancers in front, as addresses or networks, separated by commas: 10.0.0.0/8. "
        "Only what they say in X-Forwarded-For and X-Forwarded-Proto is believed.",
    )
    connect_timeout: float = Field(default=1.0, gt=0, description="Seconds for a connection to an upstream.")
    upstream_connections: int = Field(
        default=256,
        ge=1,
        description="Of each worker to each upstream; bodies that are still being sent hold at most half.",
    )
    websocket_connections: int = Field(default=256, ge=0, description="Open WebSockets of each worker.")
    websocket_idle: float = Field(
        default=60.0, gt=0, description="Seconds without a byte either way that end a WebSocket."
    )
    websocket_lifetime: float = Field(
        default=3600.0,
        gt=0,
        description="Seconds after which a WebSocket or a stream of events ends, busy or not.",
    )
    key_cache_size: int = Field(default=10_000, ge=1)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return () if value == "none" else tuple(filter(None, map(str.strip, value.split(","))))

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _exact(cls, origins: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """An origin is scheme, host and port as browsers write them; `*` would trust every site."""
        for origin in origins or ():
            if not ORIGIN.fullmatch(origin):
                raise ValueError("each origin must be exact, like https://shop.example")
        return origins

    @field_validator("users_url", "items_url", "ml_predict_url")
    @classmethod
    def _origin_only(cls, url: str) -> str:
        """One origin, or several replicas separated by commas."""
        return ",".join(origins(url))

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        if self.cors_origins is not None:
            return self.cors_origins
        return LOCAL_FRONT_ENDS if self.environment == "development" else ()

    @property
    def upstreams(self) -> dict[str, str]:
        """The names that the route table may use."""
        return {"users": self.users_url, "items": self.items_url, "ml-predict": self.ml_predict_url}

    @property
    def upstream_configs(self) -> dict[str, UpstreamConfig]:
        """With what the route table declares; a variable that is set replaces the replicas."""
        overriding = {
            name for name in self.upstreams if f"{name.replace('-', '_')}_url" in self.model_fields_set
        }
        return effective(self.routes.upstreams, self.upstreams, overriding)

    @model_validator(mode="after")
    def _routes_are_right(self) -> "GatewaySettings":
        """A wrong table is a wrong setting: it stops a start, and leaves a running gateway as it was."""
        for upstream in self.upstream_configs.values():
            try:
                upstream.tls()
            except OSError as error:
                raise ValueError(f"upstream {upstream.name}: {upstream.ca_file}: {error.strerror}") from None
        return self

    @cached_property
    def routes(self) -> RouteTable:
        return load_routes(self.routes_file, set(self.upstreams))

    def reread(self) -> "GatewaySettings":
        """The same settings with the route table as its file is now. Raises ValueError."""
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set})
