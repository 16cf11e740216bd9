"""Right answers pass, and each wrong one is named."""

from collections.abc import Callable
from typing import Any

import pytest

from loadtests import answers
from loadtests.answers import Answer, WrongAnswer
from loadtests.diamonds import load_diamonds

SENT = load_diamonds()[0].listing()
ITEM = {"id": 7, **SENT}
APPRAISAL = {
    "item_id": 7,
    "estimate": "100.00",
    "low": "80.00",
    "high": "120.00",
    "currency": "USD",
    "model": {"name": "price"},
}
TOKENS = {"access_token": "a", "refresh_token": "r", "token_type": "bearer", "expires_in": 900}
QUERY = {"skip": 0, "limit": 2, "sort": "price"}


def answer(body: Any, status: int = 200, total: str = "2") -> Answer:
    return Answer(status, {"x-total-count": total}, body)


def refused(check: Callable[[], None]) -> str:
    with pytest.raises(WrongAnswer) as raised:
        check()
    return str(raised.value)


def test_right_answers_pass() -> None:
    answers.is_account(answer({"id": 1, "email": "a@b.example"}, 201), "a@b.example")
    answers.is_tokens(answer(TOKENS))
    answers.is_page(answer([ITEM, ITEM]), QUERY)
    answers.is_page(answer([ITEM | {"features": None}]), QUERY)
    answers.is_item(answer(ITEM), 7)
    answers.is_listed(answer(ITEM, 201), SENT)
    answers.is_appraisal(answer(APPRAISAL), 7)


def test_a_wrong_status_is_named_with_the_problems_code() -> None:
    assert (
        refused(lambda: answers.is_item(answer({"code": "not_found"}, 404), 7))
        == "404 instead of 200 (not_found)"
    )
    assert refused(lambda: answers.has_status(answer(None, 502), 204)) == "502 instead of 204"


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"item_id": 8}, "another item_id"),
        ({"estimate": "130.00"}, "the estimate is not within low and high"),
        ({"estimate": "0", "low": "0"}, "the estimate is not within low and high"),
        ({"low": "NaN"}, "no low"),
        ({"high": None}, "no high"),
        ({"model": None}, "no model named"),
        ({"currency": 3}, "no currency"),
    ],
)
def test_a_wrong_appraisal_is_named(changed: dict[str, Any], wrong: str) -> None:
    assert refused(lambda: answers.is_appraisal(answer(APPRAISAL | changed), 7)) == wrong


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"refresh_token": None}, "no refresh_token"),
        ({"access_token": ""}, "an empty token"),
        ({"token_type": "mac"}, "another token_type"),
        ({"expires_in": 0}, "expires_in is not positive"),
        ({"expires_in": True}, "no expires_in"),
    ],
)
def test_wrong_tokens_are_named(changed: dict[str, Any], wrong: str) -> None:
    assert refused(lambda: answers.is_tokens(answer(TOKENS | changed))) == wrong


@pytest.mark.parametrize(
    ("body", "total", "query", "wrong"),
    [
        ({}, "2", {}, "no list"),
        ([ITEM] * 3, "3", {}, "more items than the limit"),
        ([ITEM] * 2, "1", {}, "X-Total-Count is not the total"),
        ([ITEM], "", {}, "X-Total-Count is not the total"),
        ([ITEM], "-1", {}, "X-Total-Count is not the total"),
        ([{}], "1", {}, "no id"),
        ([ITEM], "1", {"cut": "Fair"}, "another cut filter"),
        ([ITEM | {"features": None}], "1", {"cut": "Fair"}, "no features"),
        ([ITEM], "1", {"min_price": "999999"}, "below min_price"),
        ([ITEM], "1", {"max_price": "1"}, "above max_price"),
        ([ITEM, ITEM | {"price": "1.00"}], "2", {}, "not in the order asked for"),
    ],
)
def test_a_wrong_page_is_named(body: Any, total: str, query: dict[str, Any], wrong: str) -> None:
    assert refused(lambda: answers.is_page(answer(body, total=total), QUERY | query)) == wrong


def test_a_listing_that_came_back_changed_is_named() -> None:
    assert refused(lambda: answers.is_listed(answer(ITEM | {"price": "1"}, 201), SENT)) == "another price"
    features = ITEM["features"] | {"carat": 99.0}
    changed = answer(ITEM | {"features": features}, 201)
    assert refused(lambda: answers.is_listed(changed, SENT)) == "another features.carat"


def test_an_account_that_shows_its_password_is_named() -> None:
    shown = answer({"id": 1, "email": "a@b.example", "password_hash": "x"}, 201)
    assert refused(lambda: answers.is_account(shown, "a@b.example")) == "the answer shows a password"


@pytest.mark.parametrize("body", [None, [], "text", 3, {"id": "7"}])
def test_a_body_of_another_kind_is_a_wrong_answer_not_a_crash(body: Any) -> None:
    assert refused(lambda: answers.is_item(answer(body), 7)) == "no id"
