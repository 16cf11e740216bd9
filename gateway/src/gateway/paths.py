"""The one normal form of a path (RFC 3986, section 6.2.2): anything else is refused, never repaired.

A gateway that repairs what an upstream reads differently lets callers past its rules.
"""

import re

from gateway.exceptions import PathAmbiguous

# Segments of unreserved characters and harmless sub-delimiters: what nearly every request has.
_PLAIN = re.compile(rb"(?:/[A-Za-z0-9\-_~!$&'()*+,=:@][A-Za-z0-9\-_~!$&'()*+,=:@.]*)+|/")
_ABSOLUTE = re.compile(rb"https?://[^/?#]+", re.IGNORECASE)
_SEGMENT = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-F]{2})+")
_ESCAPE = re.compile(rb"%([0-9A-F]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DANGEROUS = frozenset(b"/\\%;") | frozenset(range(0x20)) | {0x7F}
LONGEST = 2048


def origin_form(target: bytes) -> bytes:
    """A target without the scheme and host of the absolute form, which servers accept (RFC 9112, 3.2.2).

    Where a request goes is the route table's to say.
    """
    if target[:1] == b"/":
        return target
    absolute = _ABSOLUTE.match(target)
    return target[absolute.end() :] or b"/" if absolute else target


def check_path(raw: bytes) -> None:
    """Raises PathAmbiguous for what has more than one reading.

    That is: empty, `.` or `..` segments, a slash at the end, `;` and `\\`, escapes of slashes, percent signs
    and control characters, escapes of what needs none, escapes in lower case, malformed ones, and bytes that
    are no UTF-8.
    """
    if len(raw) > LONGEST:
        raise PathAmbiguous(f"The path is longer than {LONGEST} bytes.")
    if _PLAIN.fullmatch(raw):
        return
    if raw[:1] != b"/" or not all(map(_is_normal, raw[1:].split(b"/"))):
        raise PathAmbiguous("Use no empty, dot or trailing segments and no unneeded escapes.")
    try:
        _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), raw).decode()
    except UnicodeDecodeError:
        raise PathAmbiguous("Escapes must spell UTF-8.") from None


def _is_normal(segment: bytes) -> bool:
    if segment in {b".", b".."} or not _SEGMENT.fullmatch(segment):
        return False
    escaped = [int(digits, 16) for digits in _ESCAPE.findall(segment)]
    return not any(byte in _UNRESERVED or byte in _DANGEROUS for byte in escaped)
