"""What a fault does to other routes: how windows become a table, and one short run of the whole system."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loadtests.bench import environment, rig
from loadtests.bench.fault_routes import PARTS
from loadtests.bench.fault_system import PEERS
from loadtests.bench.fault_windows import Faults, Window, document
from loadtests.bench.faults import main, merged, table, together
from loadtests.bench.offered import Offered
from loadtests.bench.request import Request
from loadtests.bench.rig import Cores, Rig

CORE = min(os.sched_getaffinity(0))
needs = pytest.mark.skipif(
    not (rig.find("nginx") and environment.OURS.exists()), reason="needs nginx and our services installed"
)


def sample(p99: float, failed: int = 0) -> Offered:
    return Offered(100, 100, failed, p50=p99 / 4, p90=p99 / 2, p99=p99, p999=2 * p99, p99_tenth=p99)


def window(p99: float, failed: int = 0, recovery: float = 0.0) -> Window:
    part = PARTS["postgres"]
    return Window([sample(p99, 3)] * len(part.affected), [sample(p99, failed)] * len(part.others), recovery)


def found() -> dict[str, Any]:
    before, during = [window(10), window(20)], [window(11, 1, 0.5), window(22, 0, 0.7)]
    return document("postgres", "slow", PARTS["postgres"], before, during)


def test_a_percentile_is_compared_turn_by_turn() -> None:
    other = json.loads(json.dumps(found()))["others"][0]
    assert other["p99"] == {
        "before_ms": 15,
        "ms": 16.5,
        "ratio": {"median": 1.1, "low": 1.1, "high": 1.1},
        "windows_ms": [[10, 11], [20, 22]],
    }
    assert (other["p50"]["before_ms"], other["p90"]["before_ms"], other["failed"]) == (3.75, 7.5, 1)


def test_the_table_names_each_route_that_does_not_need_what_failed() -> None:
    lines = table([found()]).splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == [one.title for one in PARTS["postgres"].others]
    assert lines[0].endswith("| 3.8, 7.5, 15.0" + 3 * " | 1.10 (1.10 to 1.10)" + " | 1 of 201 |")


def test_all_faults_together_are_one_ratio() -> None:
    assert together([found(), {**found(), "fault": "none"}]) == (
        "p99 with a fault, all together: 1.10 (1.10 to 1.10) of that without, 2 turns"
    )
    assert together([{**found(), "fault": "none"}]) == ""


def test_a_run_replaces_its_own_faults_and_keeps_the_others(tmp_path: Path) -> None:
    def fault(part: str, name: str, date: str) -> dict[str, str]:
        return {"part": part, "fault": name, "date": date}

    out = tmp_path / "faults.json"
    kept = [fault("redis", "cut", "old"), fault("postgres", "slow", "old")]
    out.write_text(json.dumps({"faults": kept}))
    now = [fault("postgres", "slow", "new"), fault("postgres", "none", "new")]
    assert merged(out, now) == [now[1], now[0], kept[0]]


def test_a_body_goes_over_the_wire_with_its_length() -> None:
    raw = Request("POST", "/predict", "{}", {"Host": "here"}).raw
    assert raw == "POST /predict HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"


def test_an_unknown_fault_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "postgres-melted"])
    assert "invalid choice: 'postgres-melted'" in capsys.readouterr().err


@pytest.fixture
def links(tmp_path: Path) -> Iterator[Path]:
    """The program of links, to a server that says hello."""
    with socket.socket(socket.AF_UNIX) as server, Rig(Cores(CORE, CORE)) as used:
        server.bind(str(tmp_path / "hello.sock"))
        server.listen()
        command = [str(environment.OURS), str(PEERS / "links.py"), str(tmp_path)]
        command.append(f"redis={tmp_path / 'hello.sock'}")
        used.start("links", command, core=CORE, ready=(tmp_path / "links.json").exists)
        yield tmp_path


@needs
def test_a_link_is_refused_and_healed_on_command(links: Path) -> None:
    port = json.loads((links / "links.json").read_text())["redis"]

    def do(what: str) -> bytes:
        with closing(socket.socket(socket.AF_UNIX)) as control:
            control.settimeout(5)
            control.connect(str(links / "links.sock"))
            control.sendall(f"redis {what}\n".encode())
            return control.recv(16)

    assert do("stopped") == b"done\n"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    assert do("heal") == b"done\n"
    socket.create_connection(("127.0.0.1", port), 5).close()


@needs
@pytest.mark.soak
@pytest.mark.parametrize("part", PARTS)
def test_other_routes_go_on_and_affected_ones_come_back(part: str) -> None:
    """How fast, the bench tells."""
    with Rig(Cores(CORE, CORE)) as used:
        measured = Faults(used).run(part, "stopped", rounds=2, seconds=1.0)
    assert all(one["failed"] == 0 and one["answered"] for one in measured["others"])
    assert any(one["failed"] for one in measured["affected"])
    assert all(one["failed_before"] == 0 for one in measured["affected"])
