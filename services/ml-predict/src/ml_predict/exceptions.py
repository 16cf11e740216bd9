"""What can go wrong with models and with what they are asked, in the service's own words.

A `ModelUnusable` stops the start and refuses a reload. The others are answers to a caller.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from shared.exceptions import (
    BadRequest,
    CannotStart,
    Conflict,
    NotFound,
    ServiceError,
    Unavailable,
    Unprocessable,
)

MOST_ERRORS = 50  # of one body: an answer must not outgrow the request by far
IN_DETAIL = 3


class ModelUnusable(CannotStart):
    """The service must not serve this model; the message is one line and names the file."""


class ModelMissing(ModelUnusable):
    """A file of the model folder is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"model file {path} is missing")
        self.path = path


class ModelFileCorrupt(ModelUnusable):
    """A file of the model folder is there, but is not what the card promises."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"model file {path} is corrupt: {reason}")
        self.path = path
        self.reason = reason


class CardDiffers(ModelUnusable):
    """The card describes another graph, or another place, than the one that it stands beside."""

    def __init__(self, path: Path, difference: str) -> None:
        super().__init__(f"model card {path} does not fit its model: {difference}")
        self.path = path
        self.difference = difference


class StateUnusable(ModelUnusable):
    """The file with what administrators decided cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"state file {path} is unusable: {reason}")


class StateUnwritable(Unavailable):
    code, title = "state_unwritable", "The decision cannot be stored, so nothing was changed"


class StateUnreadable(Unavailable):
    code, title = "state_unreadable", "What was decided before cannot be read, so nothing was changed"


class ModelRejected(Unprocessable):
    """A version that was to be loaded is not what its card promises. What was served is still served."""

    code, title = "model_rejected", "The model cannot be served"


class ModelInUse(Conflict):
    code, title = "model_in_use", "The version is needed"


class ModelNotFound(NotFound):
    code, title = "model_not_found", "No such model"


class BodyMalformed(BadRequest):
    code, title = "malformed_json", "Malformed JSON"


class BodyInvalid(Unprocessable):
    """The body is JSON, but not what the model takes: each field is named, no value is repeated."""

    code, title = "validation_error", "Validation error"

    @classmethod
    def of(cls, errors: Sequence[tuple[tuple[int | str, ...], str, str]], **members: Any) -> Self:
        """From (place, message, type) of each fault; `members` are more of the problem's."""
        listed = [
            {"loc": list(place), "message": text, "type": kind} for place, text, kind in errors[:MOST_ERRORS]
        ]
        detail = "; ".join(f"{'.'.join(map(str, place))}: {text}" for place, text, _ in errors[:IN_DETAIL])
        return cls(detail, errors=listed, **members)


class _ComeBack(Unavailable):
    """`Retry-After` says when, in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after=retry_after)
        self.headers = {"Retry-After": str(max(retry_after, 1))}  # type: ignore[misc]  # of this case, not of the class


class QueueFull(_ComeBack):
    code, title = "queue_full", "Too many requests are waiting"


@lru_cache(maxsize=64)
def queue_full(retry_after: int) -> QueueFull:
    """One to be answered, not raised: it is shared."""
    return QueueFull(retry_after)


class DeadlinePassed(_ComeBack):
    code, title = "deadline_passed", "The request waited too long"


class CallerGone(Unavailable):
    """Nobody sees it: the connection is closed already."""

    code, title = "caller_gone", "The caller has left"


class EncodingUnsupported(ServiceError):
    status, code, title = 415, "encoding_unsupported", "Content-Encoding not supported"


class TensorInvalid(Exception):
    """A member of a tensor on the wire is wrong. Becomes a BodyInvalid, which says of which tensor."""

    def __init__(self, member: str, message: str) -> None:
        super().__init__(f"{member}: {message}")
        self.member = member
        self.message = message


class ModelRefused(Unprocessable):
    """The graph itself could not compute what it was given."""

    code, title = "model_refused", "The model cannot compute this input"
