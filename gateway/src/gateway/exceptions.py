"""What the gateway refuses, and what it could not get from an upstream."""

from typing import ClassVar

from shared.exceptions import (
    BadGateway,
    BadRequest,
    GatewayTimeout,
    MethodNotAllowed,
    ServiceError,
    Unauthenticated,
    Unavailable,
)


class PathAmbiguous(BadRequest):
    code, title = "path_ambiguous", "The path is not in its one normal form"


class HostInvalid(BadRequest):
    """RFC 9112, section 3.2: exactly one Host, and a valid one."""

    code, title = "host_invalid", "The Host header is missing, repeated or not valid"


class CredentialsAmbiguous(BadRequest):
    code, title = "credentials_ambiguous", "More than one credential was sent"


class LengthAmbiguous(BadRequest):
    code, title = "length_ambiguous", "The length of the body is not clear"
    advice = "Send one Content-Length, or Transfer-Encoding: chunked."


class RouteMethodNotAllowed(MethodNotAllowed):
    def __init__(self, allowed: list[str]) -> None:
        super().__init__(allowed=allowed)
        self.headers = {"Allow": ", ".join(allowed)}  # type: ignore[misc]  # the case's own, RFC 9110, 15.5.6


class HandshakeInvalid(BadRequest):
    code, title = "websocket_handshake_invalid", "The WebSocket handshake is not valid"


class WebSocketVersionUnknown(ServiceError):
    """RFC 6455, section 4.4: the answer names the version that is spoken."""

    status: ClassVar[int] = 426
    headers: ClassVar[dict[str, str]] = {"Sec-WebSocket-Version": "13"}
    code, title = "websocket_version_unknown", "Only version 13 of WebSocket is spoken here"


class SpokeEarly(BadRequest):
    """RFC 6455, section 4.1: a client waits for the answer to its handshake."""

    code, title = "websocket_too_early", "Data came before the WebSocket was open"


class TooManyUploads(Unavailable):
    """The other connections are for requests that need not wait for their clients."""

    code, title = "too_many_uploads", "Too many request bodies are being sent"


class TooManyWebSockets(Unavailable):
    code, title = "too_many_websockets", "Too many WebSockets are open"


class ApiKeyInvalid(Unauthenticated):
    code, title = "invalid_api_key", "The API key is not valid"
    advice = "Sign in and create another one."


class KeyExchangeUnavailable(Unavailable):
    """`retry_after` is what `users` itself asked for, where it answered at all."""

    code, title = "api_keys_unavailable", "API keys cannot be checked now"

    def __init__(self, *, retry_after: str | None = None) -> None:
        super().__init__()
        if retry_after is not None:
            self.headers = {"Retry-After": retry_after}  # type: ignore[misc]  # of this case only


class UpstreamUnavailable(Unavailable):
    code, title = "upstream_unavailable", "The service behind this path cannot be reached"


class UpstreamFailed(BadGateway):
    code, title = "upstream_failed", "The service behind this path answered wrongly"


class UpstreamTooSlow(GatewayTimeout):
    code, title = "upstream_timeout", "The service behind this path did not answer in time"


class BodyTooSlow(BadRequest):
    """RFC 9110, section 15.5.9: who sends so slowly does not keep the connection either."""

    status: ClassVar[int] = 408
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}
    code, title = "body_timeout", "The request body did not arrive in time"
