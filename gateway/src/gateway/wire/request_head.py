"""Writes the head of a request: one request line, clean fields, exactly one body framing."""

from collections.abc import Sequence

_KNOWN_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"PATCH", b"DELETE"})

_CR, _LF, _NUL = b"\r\n\0"
_END = b"\r\n\r\n"
# RFC 9110, section 5.6.2.
TOKEN_CHARS = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Whatever is neither whitespace nor a control character.
_TARGET_CHARS = bytes(range(0x21, 0x7F)) + bytes(range(0x80, 0x100))

# Methods whose semantics anticipate no body say nothing of its length when there is none
# (RFC 9110, section 8.6).
_BODILESS_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"DELETE"})


def request_head(
    method: bytes,
    target: bytes,
    host: bytes,
    fields: Sequence[bytes],
    length: int | None,
    checked: bytes = b"",
) -> bytes:
    """The head, its final empty line included. `fields` are `name: value`, without those of the framing.

    `checked` are fields too, as lines with their ends. They, the method and the target were matched as a
    whole: see `known`.

    `length` is the body's in octets, None for chunks. Raises ValueError for anything that would let one
    request become two: CR, LF or NUL anywhere, whitespace in the request line (RFC 9112, section 11.2).
    """
    # Joined without line ends first: three searches through all of it cost less than one per value.
    # For octets, not for `bytes` of one: that takes Python ten times as long.
    text = b"".join(fields)
    if _CR in text or _LF in text or _NUL in text:
        raise ValueError("CR, LF or NUL in a request head")
    if length is None:
        framing = b"transfer-encoding: chunked\r\n"
    elif length or method not in _BODILESS_METHODS:
        framing = b"content-length: %d\r\n" % length
    else:
        framing = b""
    if checked:
        rest = b"\r\n".join(fields)
        line = method, b" ", target, b" HTTP/1.1\r\nhost: ", host, b"\r\n"
        return b"".join((*line, checked, framing, rest, _END))
    if method not in _KNOWN_METHODS:
        _check_method(method)
    if target.translate(None, _TARGET_CHARS) or (target[:1] != b"/" and target != b"*"):
        raise ValueError("a target must be in origin form, without whitespace")
    if host.translate(None, _TARGET_CHARS):
        raise ValueError("whitespace, CR, LF or NUL in a host")
    start = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b" % (method, target, host, framing)
    return start + b"\r\n".join([*fields, b"\r\n"])


def _check_method(method: bytes) -> None:
    if not method or method.translate(None, TOKEN_CHARS) or method == b"CONNECT":
        raise ValueError("not a method that can be forwarded")
