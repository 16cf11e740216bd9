"""The parts of the data services' bench that need no server."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import pytest

from loadtests.bench import data_cases
from loadtests.bench.data_cases import CALLERS, CASES, FIELDS, has_fields
from loadtests.bench.data_servers import SERVERS, Data, Server
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.plot import bars
from loadtests.bench.refreshes import BLOCK, RUNS
from loadtests.bench.request import Request, write_requests
from loadtests.bench.services import kept, main

LISTING = dict.fromkeys(FIELDS, 1)
SERVER = Server(
    "a peer", lambda _: [], lambda *_: {}, lambda _, subject: {"Authorization": f"Bearer {subject}"}
)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data({"rows": 1000}, Issuer(), tmp_path, "", 0, 0, 0)


@pytest.mark.parametrize("found", [LISTING, [LISTING, LISTING], {"data": [LISTING], "count": 1}])
def test_a_listing_and_both_forms_of_a_page_are_complete(found: object) -> None:
    assert has_fields(found)


@pytest.mark.parametrize(
    "found",
    [
        [],
        {"data": [], "count": 0},
        {"detail": "Not found"},
        LISTING | {"more": 1},
        [LISTING, {"id": 1}],
        ["id"],
        None,
    ],
)
def test_whoever_sends_less_or_more_or_nothing_is_not_complete(found: object) -> None:
    assert not has_fields(found)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(LISTING).encode()),
        (HTTPStatus.OK, b'{"id": 1}'),
        (HTTPStatus.OK, b"<html>"),
    ],
)
def test_a_server_whose_first_answer_is_not_good_is_not_measured(
    data: Data, status: int, body: bytes
) -> None:
    with (
        patch.object(data_cases, "ask", return_value=(status, body)),
        pytest.raises(BenchFailed, match="a peer"),
    ):
        CASES["read"].check(SERVER, 0, data)


def test_all_callers_ask_and_every_server_is_asked_the_same(data: Data, tmp_path: Path) -> None:
    scripts = [tmp_path / "first.lua", tmp_path / "second.lua"]
    for script in scripts:
        CASES["read"].script(SERVER, data, script)
    first, second = (script.read_text() for script in scripts)
    assert first == second
    assert all(f'"Bearer {subject}"' in first for subject in range(1, CALLERS + 1))


@pytest.mark.parametrize("name", CASES)
def test_every_case_begins_with_ours_and_knows_its_servers(name: str) -> None:
    titles = [SERVERS[server].title for server in CASES[name].servers]
    assert titles[0].startswith("Facet")
    assert not any(title.startswith("Facet") for title in titles[1:])


def test_each_run_of_refreshes_begins_with_tokens_of_its_own(data: Data, tmp_path: Path) -> None:
    CASES["refresh"].script(SERVERS["template"], data, tmp_path / "refresh.lua")
    written = (tmp_path / "refresh.lua").read_text()
    tokens = (tmp_path / "refresh.tokens").read_text().split()
    assert str(tmp_path / "refresh.tokens") in written
    assert len(tokens) == (BLOCK + 1) * RUNS


def test_an_answer_that_lacks_what_costs_is_not_complete(data: Data) -> None:
    body = json.dumps({"access_token": "a"}).encode()
    with (
        patch.object(data_cases, "ask", return_value=(HTTPStatus.OK, body)),
        pytest.raises(BenchFailed, match="/auth/refresh"),
    ):
        CASES["refresh"].check(SERVERS["template"], 0, data)


def test_quotes_and_lines_in_a_body_stay_inside_its_string(tmp_path: Path) -> None:
    write_requests(tmp_path / "one.lua", [Request("POST", "/items", '{"a": "b\\n"}\n')])
    assert r'"{\"a\": \"b\\n\"}\n"' in (tmp_path / "one.lua").read_text()


def test_the_picture_names_the_case(tmp_path: Path) -> None:
    results = [{"title": "Facet", "requests_per_second": 1.0}]
    bars(tmp_path / "bench.svg", {"cases": [{"title": "a page; 1,000 listings", "results": results}]})
    drawn = ElementTree.fromstring((tmp_path / "bench.svg").read_text())  # noqa: S314 - ours
    assert "a page; 1,000 listings: requests a second" in [text.text for text in drawn.iter()]


def test_a_case_that_was_not_measured_again_stays(tmp_path: Path) -> None:
    def found(machine: str, **rates: float) -> dict[str, Any]:
        cases = [{"case": name, "rows": 1, "connections": 32, "rate": rate} for name, rate in rates.items()]
        return {"machine": machine, "method": "wrk", "cases": cases}

    out = tmp_path / "services.json"
    assert kept(out, found("a", read=1)) == []
    out.write_text(json.dumps(found("a", read=1, page=2)))
    assert kept(out, found("a", read=3)) == found("a", page=2)["cases"]
    assert kept(out, found("another", read=3)) == []
    out.write_text("{}")
    assert kept(out, found("a", read=3)) == []


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--cases", "delete"])
    assert "invalid choice: 'delete'" in capsys.readouterr().err
