"""What outlives its token: WebSockets and streams of events. They end with their caller's session."""

from gateway.exchange import Exchange
from shared.identity.revocations import Revocations


class LongLived:
    """`lifetime` is in seconds, after which their clients connect again, with a token that is good then."""

    def __init__(self, revocations: Revocations, lifetime: float) -> None:
        self._revocations = revocations
        self.lifetime = lifetime

    def allowed(self, exchange: Exchange) -> bool:
        """False once the caller's session has ended."""
        return exchange.caller is None or exchange.caller.session_id not in self._revocations

    def may_go_on(self, exchange: Exchange, since: float, now: float) -> bool:
        """For an answer that began at `since`; both are in the loop's time."""
        return now - since <= self.lifetime and self.allowed(exchange)
