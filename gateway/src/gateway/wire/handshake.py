"""The WebSocket opening handshake (RFC 6455, section 4), checked on both sides."""

import base64
import binascii
import hashlib

from gateway.exceptions import HandshakeInvalid, WebSocketVersionUnknown
from gateway.wire.reader import Headers
from gateway.wire.request import Request

UPGRADE_FIELDS = (b"connection: upgrade", b"upgrade: websocket")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_SIZE = 16


def asks_for_websocket(request: Request) -> bool:
    """True for an upgrade to a WebSocket and nothing else. Other tokens of `Upgrade` are ignored."""
    return (
        request.method == b"GET"
        and not request.http_1_0
        and request.fields.get(b"upgrade", b"").strip().lower() == b"websocket"
        and not request.repeats(b"upgrade")
        and b"upgrade" in _tokens(request.headers, b"connection")
    )


def check_handshake(request: Request) -> None:
    """Raises HandshakeInvalid or WebSocketVersionUnknown, so that no upstream has to guess."""
    key = request.fields.get(b"sec-websocket-key", b"")
    if request.repeats(b"sec-websocket-key") or not _is_key(key):
        raise HandshakeInvalid
    if request.fields.get(b"sec-websocket-version") != b"13" or request.repeats(b"sec-websocket-version"):
        raise WebSocketVersionUnknown


def accepts(key: bytes, headers: Headers) -> bool:
    """True if these are the fields of a 101 that answers the handshake with this key.

    A 101 that does not is no agreement: what came after it could be anything. Nor is one with a transfer
    coding, which no 101 may have (RFC 9112, section 6.1): what comes after it might be coded.
    """
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    values = [value for name, value in headers if name == b"sec-websocket-accept"]
    upgrades = [value.strip().lower() for name, value in headers if name == b"upgrade"]
    return (
        values == [base64.b64encode(digest)]
        and upgrades == [b"websocket"]
        and b"upgrade" in _tokens(headers, b"connection")
        and not any(name == b"transfer-encoding" for name, _ in headers)
    )


def _tokens(headers: Headers, wanted: bytes) -> set[bytes]:
    values = [value for name, value in headers if name == wanted]
    return {token.strip().lower() for value in values for token in value.split(b",")}


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_SIZE
    except binascii.Error:
        return False
