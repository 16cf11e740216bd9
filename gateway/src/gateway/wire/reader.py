"""Reads one HTTP/1.1 response out of bytes and refuses whatever is not exactly one response."""

import httptools

Headers = list[tuple[bytes, bytes]]

HEAD_LIMIT = 64 * 1024
"""Octets of status line and headers, interim responses included; likewise of what comes between pieces of
body or after the last, where up to one read from the socket more may pass."""

_LINE_END = b"\r\n"
_VERSION = b"HTTP/1."
SWITCHING_PROTOCOLS = 101
_FIRST_FINAL = 200
_NO_CONTENT = 204
_BODILESS = frozenset({_NO_CONTENT, 304})
_VERSIONS = frozenset({"1.0", "1.1"})
_LAST_VALID = 599


class _RefusedError(Exception):
    """Stops the parser inside a callback; the reason is kept aside, the parser would lose it."""


class ResponseReader:
    """Framing by RFC 9112, section 6.3, without I/O. `expect()` before each response, then `feed()`.

    `final` is true once the final head is read, `complete` once the whole response is. `length` is the
    declared content-length. `reusable` says whether another response may follow on the same connection.
    `switched` is true after a 101 that was asked for; `chunks` has what came behind it.
    """

    __slots__ = (
        "_fault",
        "_head_only",
        "_overhead",
        "_parser",
        "_until_close",
        "_upgrade",
        "_version_unread",
        "chunks",
        "complete",
        "final",
        "headers",
        "length",
        "reusable",
        "status",
        "switched",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._head_only = False
        self.expect(head_only=False)

    def expect(self, *, head_only: bool, upgrade: bool = False) -> None:
        """Makes ready for one response; `head_only` after a HEAD, `upgrade` if a 101 was asked for."""
        if self._head_only:
            # llhttp cannot be told of HEAD: the parser still waits for a body that never comes.
            self._parser = httptools.HttpResponseParser(self)
        self._head_only = head_only
        self._upgrade = upgrade
        self.switched = False
        self._fault: str | None = None
        self._overhead = 0
        self._until_close = False
        self._version_unread = False
        self.status = 0
        self.headers: Headers = []
        self.length: int | None = None
        self.final = False
        self.chunks: list[bytes] = []
        self.complete = False
        self.reusable = False

    @property
    def answered(self) -> bool:
        """Whether any byte of an answer has arrived."""
        return self._overhead > 0 or self.final

    def feed(self, data: bytes) -> str | None:
        """Reads on. Returns why this is no valid response, or None; no more may be fed after a reason."""
        if not self._overhead and not self.final and not data.startswith(_VERSION):
            if not _VERSION.startswith(data):
                return "not an HTTP/1.x response"
            self._version_unread = True
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            if self._fault is None:
                raise
            return self._fault
        except httptools.HttpParserUpgrade as upgrade:
            return self._note_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            return self._fault or f"malformed response: {error}"
        if self.complete:
            if self.reusable and (self._head_only or data[-1] in _LINE_END):
                self.reusable = self._ends_cleanly(data)
        elif self._overhead > HEAD_LIMIT:
            return "headers or trailers above 64 KiB"
        return None

    def _note_upgrade(self, rest: bytes) -> str | None:
        if not self.switched:
            return "switched protocols unasked"
        self.chunks.append(rest)
        return None

    def take(self) -> bytes:
        """The body that has arrived and was not taken yet, as one piece."""
        chunks = self.chunks
        if not chunks:
            return b""
        self.chunks = []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def feed_eof(self) -> bool:
        """The upstream closed: True when that is how this body ends (RFC 9112, section 6.3, rule 8)."""
        if self._until_close and not self.complete:
            self.complete = True
            return True
        return False

    def _ends_cleanly(self, data: bytes) -> bool:
        # The parser skips line ends before the next status line, so it does not report them as surplus.
        if self._head_only:
            return data.find(b"\r\n\r\n") == len(data) - 4
        if self.length and self.status not in _BODILESS:
            return bool(self.chunks) and data.endswith(self.chunks[-1])
        return data.endswith(b"\r\n\r\n") and not data.endswith(b"\r\n\r\n\r\n")

    def _refuse(self, reason: str) -> None:
        self._fault = reason
        raise _RefusedError

    # What httptools calls.

    def on_message_begin(self) -> None:
        if self.complete:
            self._refuse("bytes after the response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.final:  # afterwards they are trailers, which nobody asked for (RFC 9110, 6.5.1)
            self.headers.append((name.lower(), value))
        elif name.lower() == b"transfer-encoding":
            self._refuse("a transfer coding among the trailers")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._overhead > HEAD_LIMIT and sum(len(n) + len(v) + 4 for n, v in self.headers) > HEAD_LIMIT:
            self._refuse("headers above 64 KiB")
        if status < _FIRST_FINAL:
            self._skip_interim(status)
            return
        if status > _LAST_VALID:
            self._refuse(f"status {status} does not exist")
        if self._version_unread and self._parser.get_http_version() not in _VERSIONS:
            self._refuse("not an HTTP/1.x response")
        self.status = status
        self._read_framing()
        self.final = True
        if self._head_only:
            self._complete()

    def _skip_interim(self, status: int) -> None:
        if status == SWITCHING_PROTOCOLS and self._upgrade:
            self.switched = True
            return
        if status == SWITCHING_PROTOCOLS:
            self._refuse("switched protocols unasked")
        if status < 100:  # noqa: PLR2004 - the first status there is (RFC 9110, section 15)
            self._refuse(f"status {status} does not exist")
        self.headers = []
        self._version_unread = True  # of the next head

    def _read_framing(self) -> None:
        chunked = False
        for name, value in self.headers:
            if name == b"content-length":
                self.length = int(value)
            elif name == b"transfer-encoding":
                # We never send TE, so nothing but one "chunked" is ours to undo (RFC 9112, section 7.4).
                # The parser takes a tab behind it for a part of its name, and the chunks for the body.
                if chunked or value.rstrip(b" ").lower() != b"chunked":
                    self._refuse("a transfer coding nobody asked for")
                if self._parser.get_http_version() == "1.0":  # faulty (RFC 9112, section 6.1)
                    self._refuse("a transfer coding in HTTP/1.0")
                chunked = True
        self._until_close = not chunked and self.length is None and self.status not in _BODILESS

    def on_body(self, chunk: bytes) -> None:
        if self.complete or not self.final:
            self._refuse("bytes after the response")
        else:
            self._overhead = 0
            self.chunks.append(chunk)

    def on_message_complete(self) -> None:
        if self.final and not self.complete:
            self._complete()

    def _complete(self) -> None:
        self.complete = True
        self.reusable = self._parser.should_keep_alive()
        if self.status == _NO_CONTENT and self._announces_body():
            self.reusable = False  # the body that must not be there may follow

    def _announces_body(self) -> bool:
        return bool(self.length) or any(name == b"transfer-encoding" for name, _ in self.headers)
