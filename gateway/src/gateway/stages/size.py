"""Size: a body that is announced to be larger than its route takes is refused before a byte of it is read."""

from gateway.exchange import Exchange
from shared.exceptions import ContentTooLarge


def check_size(exchange: Exchange) -> None:
    """A body that does not say its length is counted as it comes: see `Exchange.over_limit`."""
    if exchange.request.length is not None and exchange.request.length > exchange.limit:
        raise ContentTooLarge(limit=exchange.limit)
