"""Contributions are Shapley's: as a slow reference computes them from the definition, and they add up."""

import json
from collections.abc import Callable, Iterator
from itertools import combinations
from math import factorial
from typing import Any

import httpx2
import numpy as np
import pytest
import pytest_asyncio

from ml_predict.answers import Array
from ml_predict.card import Explanation, Feature, ModelCard
from ml_predict.explain import MOST_EXPLAINED, Explainer
from ml_predict.model import Model
from ml_training.data import Split
from ml_training.features import encode
from shared.testing import LiveApp, TestIdentity

FEATURES = tuple(Feature(name=name, type="number") for name in "abc")


def price(model: Model, row: Array) -> float:
    return float(model.run({"features": row[None].astype(np.float32)}, ["prices"])[0][0, 0])


def subsets(members: list[int]) -> Iterator[tuple[int, ...]]:
    for size in range(len(members) + 1):
        yield from combinations(members, size)


def shapley(value: Callable[[frozenset[int]], float], count: int, feature: int) -> float:
    """The definition: what a feature adds to each coalition of the others, weighed by its orders."""
    others = [each for each in range(count) if each != feature]
    found = 0.0
    for coalition in subsets(others):
        weight = factorial(len(coalition)) * factorial(count - len(coalition) - 1) / factorial(count)
        found += weight * (value(frozenset({*coalition, feature})) - value(frozenset(coalition)))
    return found


def test_a_price_is_explained_as_the_definition_says(model: Model, parts: Split) -> None:
    assert model.explainer is not None
    assert model.card.explanation is not None
    reference = np.array(model.card.explanation.background[0])
    rows = encode(parts.held_out.sample(3, random_state=1))
    computed = model.run({"features": model.explainer.coalitions(rows)}, ["prices"])[0]
    bases, contributions = model.explainer.explain(computed)
    for row, base, parts_of_it in zip(rows, bases, contributions, strict=True):
        known: dict[frozenset[int], float] = {}

        def value(coalition: frozenset[int], row: Array = row, known: dict[Any, float] = known) -> float:
            if coalition not in known:
                mixed = reference.copy()
                mixed[list(coalition)] = row[list(coalition)]
                known[coalition] = price(model, mixed)
            return known[coalition]

        expected = [shapley(value, 9, feature) for feature in range(9)]
        assert np.allclose(parts_of_it, expected, rtol=1e-4, atol=0.01)
        assert base == pytest.approx(price(model, reference))
        assert base + parts_of_it.sum() == pytest.approx(price(model, row), rel=1e-5)


def test_what_a_linear_model_multiplies_is_what_each_feature_contributes() -> None:
    """Over two references: the weight times the distance from their mean; the size of a feature counts."""
    features = (*FEATURES[:2], Feature(name="c", type="number", size=2))
    explainer = Explainer(
        features, Explanation(output="y", background=((0.0, 0.0, 0.0, 0.0), (2.0, 4.0, 6.0, 8.0)))
    )
    rows = np.array([[1, 2, 3, 4], [5, 5, 5, 5]], np.float32)
    weights = np.array([1.0, -2.0, 3.0, 0.5])
    mixed = explainer.coalitions(rows)
    assert len(mixed) == 2 * explainer.size == 2 * 8 * 2
    bases, contributions = explainer.explain(mixed @ weights)
    apart = (rows - np.array([1.0, 2.0, 3.0, 4.0])) * weights
    assert np.allclose(contributions, np.column_stack([apart[:, 0], apart[:, 1], apart[:, 2] + apart[:, 3]]))
    assert np.allclose(bases + contributions.sum(axis=1), rows @ weights)


@pytest_asyncio.fixture(loop_scope="session")
async def ask(live: LiveApp, identity: TestIdentity) -> Callable[..., Any]:
    async def post(body: Any, path: str = "/predict") -> httpx2.Response:
        return await live.client.post(path, json=body, headers=identity.headers(7))

    return post


async def test_a_caller_sees_parts_that_add_up_to_the_cent(
    ask: Callable[..., Any], diamond: dict[str, Any]
) -> None:
    rows = [diamond, diamond | {"carat": 2.0, "clarity": "I1"}]
    plain = (await ask({"instances": rows})).json()["predictions"]
    explained = (await ask({"instances": rows, "explain": True})).json()["predictions"]
    for expected, found in zip(plain, explained, strict=True):
        explanation = found.pop("explanation")
        assert found == pytest.approx(expected, rel=1e-5)
        assert list(explanation["contributions"]) == list(diamond)
        total = explanation["base"] + sum(explanation["contributions"].values())
        assert round(total, 2) == found["estimate"]
    assert explained[0] == plain[0]


@pytest.mark.parametrize(
    ("changed", "path", "said"),
    [
        ({"explain": "yes"}, "/predict", "body.explain: Input should be a valid boolean"),
        ({"explain": 1}, "/predict", "body.explain: Input should be a valid boolean"),
        ({"explain": True}, "/predict/digits", "has no explanation on its card"),
    ],
)
async def test_what_cannot_be_explained_is_refused(
    ask: Callable[..., Any], diamond: dict[str, Any], changed: dict[str, Any], path: str, said: str
) -> None:
    instance = {"pixels": [0] * 64} if path.endswith("digits") else diamond
    answer = await ask({"instances": [instance], **changed}, path)
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True)


async def test_too_many_explanations_at_once_are_refused(
    ask: Callable[..., Any], diamond: dict[str, Any]
) -> None:
    answer = await ask({"instances": [diamond] * (MOST_EXPLAINED + 1), "explain": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    answer = await ask({"instances": [diamond] * MOST_EXPLAINED, "explain": True})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("explanation", "said"),
    [
        ({"output": "prices", "background": [[1.0]]}, "not 9 numbers"),
        ({"output": "nothing", "background": [[0.0] * 9]}, "not shown"),
        ({"output": "prices", "background": []}, "at least 1"),
    ],
)
def test_a_card_whose_explanation_cannot_be_is_refused(
    card: ModelCard, explanation: dict[str, Any], said: str
) -> None:
    facts = json.loads(card.model_dump_json()) | {"explanation": explanation}
    with pytest.raises(ValueError, match=said):
        ModelCard.model_validate(facts)
