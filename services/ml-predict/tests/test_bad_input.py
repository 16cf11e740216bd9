"""Whatever a body holds, the answer is right or says what is wrong: never a 5xx, never no answer.

Hypothesis spoils good requests: 120 in `make test`, 6,000 in `make soak`.
"""

import asyncio
import json
import struct
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.testing import LiveApp, TestIdentity

LENGTH = "Inference-Header-Content-Length"
DIAMOND = {
    "carat": 0.7, "cut": "Ideal", "color": "G", "clarity": "VS2",
    "depth": 61.8, "table": 56.0, "x": 5.7, "y": 5.72, "z": 3.53,
}  # fmt: skip
ROW = [0.7, 4.0, 3.0, 3.0, 61.8, 56.0, 5.7, 5.72, 3.53]
LARGEST = 300_000  # bytes of what is repeated: well below the limit for bodies
ENDS = 12  # elements of a long list that are spoiled
Case = tuple[str, bytes, dict[str, str]]  # path, body, headers
Place = tuple[Any, ...]

ODD_TEXT = st.sampled_from(["", "NaN", "Infinity", "0.7", "null", "ideal", "\x00", "\ud800", "é" * 300])
ODD_NUMBERS = st.sampled_from([0, -1, -0.0, 1e308, -1e308, 1e-320, 2**31, 2**63, 2**64, 10**400, 0.1, 5])
NOT_FINITE = st.sampled_from([float("nan"), float("inf"), float("-inf")])  # json.dumps writes them bare
SCALARS = st.one_of(ODD_TEXT, ODD_NUMBERS, NOT_FINITE, st.booleans(), st.none(), st.floats(), st.integers())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXT, inner, max_size=3),
    max_leaves=8,
)


def places(document: Any, here: Place = ()) -> list[Place]:
    """Every place in a document: its own, and those of its members and of its first and last elements."""
    members: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        members = list(document.items())
    elif isinstance(document, list):
        members = list(enumerate(document))
        members = members if len(members) <= ENDS else [*members[: ENDS // 2], *members[-ENDS // 2 :]]
    return [here, *(place for name, inner in members for place in places(inner, (*here, name)))]


def spoiled(document: Any, place: Place, how: str, value: Any) -> Any:
    """A copy in which one place is replaced, gone, doubled, renamed or deep inside lists."""
    copy = json.loads(json.dumps(document))
    if not place:
        return value
    holder = copy
    for step in place[:-1]:
        holder = holder[step]
    last = place[-1]
    if how == "gone":
        del holder[last]
    elif how == "nested":
        for _ in range(40):
            holder[last] = [holder[last]]
    elif how == "many":
        holder[last] = [holder[last]] * min(1500, LARGEST // len(json.dumps(holder[last])) + 1)
    elif how == "renamed" and isinstance(holder, dict):
        holder[f"{last}x"] = holder.pop(last)
    else:
        holder[last] = value
    return copy


@st.composite
def documents(draw: st.DrawFn, good: Any) -> Any:
    document = good
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(document)))
        how = draw(st.sampled_from(["other", "other", "gone", "nested", "many", "renamed"]))
        document = spoiled(document, place, how, draw(VALUES))
    return document


@st.composite
def texts(draw: st.DrawFn, good: Any) -> bytes:
    """JSON of a spoiled document, or spoiled JSON."""
    text = json.dumps(draw(documents(good))).encode()
    match draw(st.integers(0, 9)):
        case 0:
            return text[: draw(st.integers(0, len(text)))]
        case 1:
            place = draw(st.integers(0, len(text)))
            return text[:place] + draw(st.binary(min_size=1, max_size=8)) + text[place:]
        case 2:
            return b"[" * draw(st.sampled_from([50, 2_000, 200_000]))
        case _:
            return text


@st.composite
def named(draw: st.DrawFn) -> Case:
    good = {"instances": [DIAMOND, DIAMOND], "explain": draw(st.booleans())}
    kind = draw(st.sampled_from(["application/json"] * 9 + ["text/plain", "application/x;json", ""]))
    return "/predict", draw(texts(good)), {"Content-Type": kind}


TENSOR = {"name": "features", "datatype": "FP32", "shape": [2, 9], "data": ROW * 2, "parameters": {}}
GOOD = {
    "id": "1",
    "inputs": [TENSOR],
    "outputs": [{"name": "prices", "parameters": {"binary_data": False}}, {"name": "log_usd"}],
    "parameters": {"timeout": 10_000_000},
}


@st.composite
def tensors(draw: st.DrawFn) -> Case:
    path = draw(st.sampled_from(["/v2/models/diamond-price/infer", "/v2/models/digits/infer"]))
    return path, draw(texts(GOOD)), {}


@st.composite
def binary(draw: st.DrawFn) -> Case:
    """A tensor behind the JSON, with lengths that lie, bytes that lack, and numbers that are none."""
    numbers = draw(st.lists(st.floats(width=32) | st.sampled_from(ROW), min_size=9, max_size=27))
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    size = draw(st.sampled_from([len(data), len(data) - 1, len(data) + 4, 0, -1, 2**40, "36", None, 36.0]))
    rows = draw(st.sampled_from([len(numbers) // 9, 1, 0, 2**31 - 1, -1]))
    described = {"name": "features", "datatype": "FP32", "shape": [rows, 9]}
    asked: Any = {"inputs": [described | {"parameters": {"binary_data_size": size}}]}
    if draw(st.booleans()):
        asked = draw(documents(asked))
    head = json.dumps(asked).encode()
    told = draw(st.sampled_from([str(len(head))] * 5 + [str(len(head) - 1), str(2**31), "0", "-1", "x"]))
    body = (head + data)[: draw(st.integers(0, len(head + data))) if draw(st.booleans()) else None]
    return "/v2/models/diamond-price/infer", body, {LENGTH: told}


def check(client: httpx2.Client, case: Case) -> None:
    path, body, headers = case
    answer = client.post(path, content=body, headers=headers)
    if answer.status_code == 200:
        length = int(answer.headers.get(LENGTH, len(answer.content)))
        json.loads(answer.content[:length], parse_constant=pytest.fail)  # NaN is never answered
        return
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] in {"malformed_json", "validation_error"}
    assert len(problem["detail"]) > 10


async def run_cases(
    live: LiveApp, identity: TestIdentity, cases: st.SearchStrategy[Case], count: int
) -> None:
    """In a thread, because the server has the test's loop."""
    with httpx2.Client(base_url=live.url, headers=identity.headers(7), timeout=20) as client:

        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(cases)
        def holds(case: Case) -> None:
            check(client, case)

        await asyncio.to_thread(holds)


KINDS = pytest.mark.parametrize("cases", [named(), tensors(), binary()], ids=["named", "tensors", "binary"])


@KINDS
async def test_bad_input_is_refused_and_named(
    live: LiveApp, identity: TestIdentity, cases: st.SearchStrategy[Case]
) -> None:
    await run_cases(live, identity, cases, 40)


@pytest.mark.soak
@pytest.mark.timeout(900)  # 2,000 cases take minutes on a machine that others share
@KINDS
async def test_bad_input_is_refused_and_named_in_thousands_of_cases(
    live: LiveApp, identity: TestIdentity, cases: st.SearchStrategy[Case]
) -> None:
    await run_cases(live, identity, cases, 2000)
