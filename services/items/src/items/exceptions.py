"""What can go wrong with listings and their appraisal."""

from shared.exceptions import (
    BadGateway,
    Conflict,
    Forbidden,
    GatewayTimeout,
    NotFound,
    Unavailable,
    Unprocessable,
)
from shared.identity.exceptions import TokenInvalid


class ItemNotFound(NotFound):
    code, title = "item_not_found", "No such listing"

    def __init__(self, item_id: int) -> None:
        super().__init__(item_id=item_id)


class OwnerGone(TokenInvalid):
    """The token is valid, but its account was deleted or deactivated."""


class NotYourItem(Forbidden):
    """Not a 404: everybody may read the listing, so there is nothing to hide."""

    code, title = "not_your_item", "This listing belongs to somebody else"

    def __init__(self, item_id: int) -> None:
        super().__init__(item_id=item_id)


class NotAppraisable(Unprocessable):
    code, title = "not_appraisable", "This listing cannot be appraised"

    def __init__(self, item_id: int) -> None:
        super().__init__("It has no features: only a diamond's measurements can be priced.", item_id=item_id)


class AppraisalRefused(Unprocessable):
    """The model does not price such a diamond, though a listing may state its features."""

    code, title = "appraisal_refused", "The model does not price this diamond"

    def __init__(self, item_id: int) -> None:
        super().__init__(item_id=item_id)


class IdempotencyKeyReused(Unprocessable):
    code, title = "idempotency_key_reused", "This Idempotency-Key was used for another request"
    advice = "Give each new request a new key; repeat a request with the same key and the same body."


class ImportNotFound(NotFound):
    code, title = "import_not_found", "No such import"

    def __init__(self, import_id: str) -> None:
        super().__init__(import_id=import_id)


class ImportGap(Conflict):
    """Lines between would be left out."""

    code, title = "import_gap", "The import has not come so far"

    def __init__(self, next_line: int) -> None:
        super().__init__(f"It goes on at line {next_line}.", next_line=next_line)


class SearchTimeout(Unavailable):
    code, title = "search_timeout", "The search took too long"


class AppraisalUnavailable(Unavailable):
    """ml-predict cannot be reached, or says that it is busy. `retry_after` is what it asked for."""

    code, title = "appraisal_unavailable", "Appraisals are not available now"

    def __init__(self, *, retry_after: str | None = None) -> None:
        super().__init__()
        if retry_after is not None and retry_after.isdigit():
            self.headers = {"Retry-After": retry_after}  # type: ignore[misc]  # of this case only


class AppraisalTimeout(GatewayTimeout):
    code, title = "appraisal_timeout", "The appraisal took too long"


class AppraisalFailed(BadGateway):
    """ml-predict answered, but not with a price. Why stands in the log, for it is ours to mend."""

    code, title = "appraisal_failed", "The appraisal failed"
