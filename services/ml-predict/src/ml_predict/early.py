"""What is decided when only the head of a request is here: above capacity, reading the rest is too much."""

import select
from typing import Any, Final

from ml_predict.exceptions import CallerGone, QueueFull

_CLOSED: Final = getattr(select, "POLLRDHUP", 0)  # Linux tells before what was sent is read


def refusal(connection: Any, model: str | None) -> QueueFull | CallerGone | None:
    """Why a request is not read, if it is for a model that computes in its queue; None if it is.

    While the event loop lags behind, many callers have left before it reads what they sent. The kernel knows.
    """
    predictions = connection.app_state["predictions"]
    if not predictions.queues(model):
        return None
    error: QueueFull | None = predictions.refusal(model)
    if error is None and caller_left(connection.transport):
        return CallerGone()
    return error


def caller_left(transport: Any) -> bool:
    """True if the caller has closed the connection."""
    closed = select.poll()
    closed.register(transport.get_extra_info("socket").fileno(), _CLOSED)
    return bool(closed.poll(0))
