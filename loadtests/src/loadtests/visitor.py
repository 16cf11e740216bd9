"""One person on the marketplace: browses, reads, lists, asks for appraisals, withdraws."""

import random
from functools import partial
from http import HTTPStatus
from typing import Any

from loadtests.account import Account
from loadtests.answers import BRIEF, Answer, has_status, is_appraisal, is_item, is_listed, is_page
from loadtests.calls import Calls, Check
from loadtests.diamonds import Diamond, any_of
from loadtests.popularity import zipf

ITEM = "/items/{id}"  # requests are counted by route
APPRAISAL = f"{ITEM}/appraisal"
PAGING = {"skip", "limit", "sort"}
PAGE = 20
REMEMBERED = 50
_CHOICE = random.Random()  # noqa: S311 - load, not secrets


class Visitor:
    """Knows its account, and some items that it has seen."""

    def __init__(self, diamonds: list[Diamond]) -> None:
        self.account = Account()
        self._diamonds = diamonds
        self._seen: list[int] = []
        self._total = 0

    def arrive(self, calls: Calls) -> None:
        """Sign up and log in."""
        self.account.token(calls)

    def act(self, action: str, calls: Calls) -> None:
        """Take one of the actions that `mix` names."""
        getattr(self, action)(calls)

    def log_in(self, calls: Calls) -> None:
        if self.account.token(calls) is not None:
            self.account.log_in(calls)

    def browse(self, calls: Calls) -> None:
        """Public: a page of listings, often filtered."""
        query = self._query()
        answer = calls.send("GET", "/items", partial(is_page, query=query), query=query)
        if answer is None or answer.status != HTTPStatus.OK or not isinstance(answer.body, list):
            return
        total = answer.headers.get("x-total-count", "")
        if query.keys() == PAGING and total.isdecimal():
            self._total = int(total)
        for item in answer.body:
            if _is_diamond(item) and item.get("name") != BRIEF:
                self._remember(item["id"])

    def read(self, calls: Calls) -> None:
        """Public: one listing that was seen on a page."""
        if not self._seen:
            self.browse(calls)
        if self._seen:
            item_id = self._popular()
            calls.send("GET", f"/items/{item_id}", partial(is_item, item_id=item_id), route=ITEM)

    def sell(self, calls: Calls) -> None:
        """Put a real diamond up for sale."""
        item_id = self._list(calls, any_of(self._diamonds).listing())
        if item_id is not None:
            self._remember(item_id)

    def appraise(self, calls: Calls) -> None:
        if not self._seen:
            self.browse(calls)
        if self._seen:
            item_id = self._popular()
            check = partial(is_appraisal, item_id=item_id)
            self._send_signed(calls, "POST", f"/items/{item_id}/appraisal", check, route=APPRAISAL)

    def withdraw(self, calls: Calls) -> None:
        """List something, take it back, and see that it is gone."""
        item_id = self._list(calls, any_of(self._diamonds).listing(BRIEF))
        if item_id is None:
            return
        path = f"/items/{item_id}"
        deleted = self._send_signed(calls, "DELETE", path, partial(has_status, status=204), route=ITEM)
        if deleted is not None and deleted.status == HTTPStatus.NO_CONTENT:
            calls.send("GET", path, partial(has_status, status=404), route=f"{ITEM} (withdrawn)")

    def _list(self, calls: Calls, listing: dict[str, Any]) -> int | None:
        answer = self._send_signed(calls, "POST", "/items", partial(is_listed, sent=listing), body=listing)
        if answer is None or answer.status != HTTPStatus.CREATED or not isinstance(answer.body, dict):
            return None
        item_id = answer.body.get("id")
        return item_id if isinstance(item_id, int) else None

    def _send_signed(
        self, calls: Calls, method: str, path: str, check: Check, **options: Any
    ) -> Answer | None:
        """With a token. One that is refused although it has not expired is a failure; another is fetched."""
        token = self.account.token(calls)
        if token is None:
            return None
        answer = calls.send(method, path, check, token=token, **options)
        if answer is not None and answer.status == HTTPStatus.UNAUTHORIZED:
            self.account.renew(calls)
        return answer

    def _query(self) -> dict[str, Any]:
        """A page from the newest 200, by a filter that a real diamond passes, or by none."""
        features = any_of(self._diamonds).features
        price = float(any_of(self._diamonds).price)
        filters: dict[str, Any] = random.choice(  # noqa: S311 - load, not secrets
            [
                {},
                {},
                {"cut": features["cut"]},
                {"color": features["color"], "clarity": features["clarity"]},
                {"min_price": f"{price * 0.8:.2f}", "max_price": f"{price * 1.2:.2f}"},
            ]
        )
        deepest = max(0, min(self._total, 200) - PAGE)
        skip = 0 if filters else random.randint(0, deepest)  # noqa: S311 - load, not secrets
        sort = random.choice(["-created_at", "price", "-price"])  # noqa: S311 - load, not secrets
        return {"skip": skip, "limit": PAGE, "sort": sort, **filters}

    def _popular(self) -> int:
        """By Zipf's law, and the oldest first, so that all visitors prefer the same ones."""
        return sorted(self._seen)[zipf(len(self._seen), _CHOICE)]

    def _remember(self, item_id: int) -> None:
        if item_id not in self._seen:
            self._seen.append(item_id)
            del self._seen[:-REMEMBERED]


def _is_diamond(item: Any) -> bool:
    """Only those can be appraised."""
    return isinstance(item, dict) and isinstance(item.get("id"), int) and bool(item.get("features"))
