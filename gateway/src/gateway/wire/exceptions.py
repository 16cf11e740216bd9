"""What can go wrong between the gateway and an upstream."""


class UpstreamError(Exception):
    """An upstream gave no usable answer; `upstream` is its configured name, `reason` is safe to log."""

    code = "upstream_error"

    def __init__(self, upstream: str, reason: str) -> None:
        super().__init__(f"{upstream}: {reason}")
        self.upstream = upstream
        self.reason = reason


class UpstreamUnreachable(UpstreamError):
    """No connection could be had: refused, timed out, unknown host, pool exhausted or closed.

    Not a byte of the request was sent, so any request may be repeated. `crowded` is true when the limit of
    connections was reached, which says nothing of the upstream's health.
    """

    code = "upstream_unreachable"

    def __init__(self, upstream: str, reason: str, *, crowded: bool = False) -> None:
        super().__init__(upstream, reason)
        self.crowded = crowded


class UpstreamTimeout(UpstreamError):
    """The request was sent and the answer, or the rest of it, did not come in time."""

    code = "upstream_timeout"


class UpstreamBroken(UpstreamError):
    """The answer was malformed, cut short, or never begun before the connection closed.

    `unanswered` is true when the connection closed before the first byte of an answer. The upstream may
    still have acted on the request, so only an idempotent one may be repeated (RFC 9110, section 9.2.2).
    """

    code = "upstream_broken"

    def __init__(self, upstream: str, reason: str, *, unanswered: bool = False) -> None:
        super().__init__(upstream, reason)
        self.unanswered = unanswered
