"""Load by a locustfile: what the file may hold, and that an open and a closed loop measure a real server."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.bench.environment import ROOT
from loadtests.tuner.capacity import Search
from loadtests.tuner.config import load
from loadtests.tuner.fields import ConfigError
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring import command
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.generate import generate
from loadtests.tuner.measuring.load import Load
from loadtests.tuner.measuring.locustfile import Locustfile, LocustfileError, inspect
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.model import Configuration, Limits, Measurement, Slo
from loadtests.tuner.plan import Plan

DIAL = f"{sys.executable} -m loadtests.tuner.dial --workers {{workers}} --port {{port}} --cpu 4"
OPEN = """
from locust import task
from loadtests.scenarios.open_loop import OpenLoopUser
class Buyer(OpenLoopUser):
    def on_start(self):
        self.client.get("/sign-up")
    @task
    def buy(self):
        self.client.get("/")
        self.client.get("/buy")
"""
CLOSED = """
from locust import HttpUser, constant, task
print("a file may print")
class Visitor(HttpUser):
    wait_time = constant(0.05)
    @task
    def look(self):
        self.client.get("/")
"""
NONE = "import locust\n"
BOTH = OPEN + CLOSED
TOML = f"""
[app]
command = {json.dumps(DIAL)}
[slo]
p99 = "250ms"
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("locustfiles")
    for name, text in (("open", OPEN), ("closed", CLOSED), ("none", NONE), ("both", BOTH)):
        (folder / f"{name}.py").write_text(text)
    return lambda name: folder / f"{name}.py"


@pytest.fixture
def target(files: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandTarget]:
    monkeypatch.setattr(command, "WARM_UP", 0.2)
    monkeypatch.setattr(command, "WARM_UPS", 1)
    target = CommandTarget(App("dial", DIAL, [Request("/")], Slo(0.5), Limits(1)))
    yield target
    target.close()


def _known(path: Path, *, open_loop: bool) -> Locustfile:
    return Locustfile(str(path), ("Somebody",), open_loop, "")


def test_an_open_loop_counts_tasks_at_their_rate(target: CommandTarget, files: Callable[[str], Path]) -> None:
    target.app = replace(target.app, locustfile=_known(files("open"), open_loop=True))
    target.roll_out(Configuration.of(2))
    taken = target.measure(40, 1, 1)
    assert (taken.errors, taken.unsent, taken.unfinished, taken.closed) == (0, 0, 0, False)
    assert taken.requests == pytest.approx(40, abs=25), "tasks, not their two requests, and no sign-up"
    assert taken.latencies.percentile(50) > 0.008, "both requests of a task"
    assert len(taken.resources.worker_shares["app"]) == 2


def test_an_open_loop_shows_an_overload(target: CommandTarget, files: Callable[[str], Path]) -> None:
    target.roll_out(Configuration.of(1))
    file = _known(files("open"), open_loop=True)
    target.app = replace(target.app, locustfile=file, slo=Slo(0.05))
    taken = target.measure(300, 1, 1)
    assert taken.requests == pytest.approx(300, abs=60)
    assert taken.slow(Slo(0.1)) > 0.5 * taken.requests


def test_a_closed_loop_has_users_as_its_load(target: CommandTarget, files: Callable[[str], Path]) -> None:
    target.roll_out(Configuration.of(1))
    target.app = replace(target.app, locustfile=_known(files("closed"), open_loop=False))
    assert target.unit == "users"
    taken = target.measure(3.4, 1, 1)
    assert (taken.offered, taken.closed, taken.failed) == (3, True, 0)
    assert 10 < taken.requests <= 60, "three users who wait 50 ms each time"
    assert taken.kept == 1


def test_users_who_do_not_arrive_make_the_load_invalid(tmp_path: Path) -> None:
    path = tmp_path / "closed.py"
    path.write_text(f"{CLOSED}    def on_start(self):\n        raise OSError\n")
    done = generate(Load(9, 2, 0.2, 1, [], locustfile=str(path), open_loop=False))
    assert done.objection == "0 of 2 users came through on_start"


def test_a_search_over_users_ends_between_two_neighbours() -> None:
    tried: list[float] = []

    def measure(rate: float, seconds: float) -> Measurement:
        users = max(1, round(rate))
        tried.append(users)
        latencies = Histogram.of([0.01 * users] * 2000)
        return Measurement(users, 1, 2000 / seconds, seconds, 1, latencies, closed=True)

    found = Search(Slo(0.045), Plan(), measure).find(3, step=1.05, resolution=1.01)
    assert 4 < found.rate < 5
    assert tried == [3, 4, 5]
    assert Search(Slo(0.005), Plan(), measure).find(2, step=1.05, resolution=1.01).rate == 0


@pytest.mark.parametrize(
    ("load_of", "reason"),
    [
        ('[load]\nlocustfile = "nowhere.py"', "nowhere.py is not there"),
        ('[load]\nlocustfile = "none.py"', "none.py: it defines no User class"),
        ('[load]\nlocustfile = "both.py"', "Buyer is an OpenLoopUser, Visitor is not"),
        ('[load]\nlocustfile = "open.py"\n[[request]]\npath = "/"', "exclude each other"),
        ("[load]", "[load] needs a locustfile"),
        ("", "a [[request]] or [load] locustfile is needed"),
    ],
)
def test_a_load_that_cannot_be_is_refused(files: Callable[[str], Path], load_of: str, reason: str) -> None:
    file = files("shop").with_suffix(".toml")
    file.write_text(TOML + load_of)
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert reason in str(refused.value)


def test_the_report_says_which_loop_it_was(files: Callable[[str], Path]) -> None:
    file = files("shop").with_suffix(".toml")
    file.write_text(f'{TOML}[load]\nlocustfile = "closed.py"\n')
    app = load(file)
    assert app.locustfile is not None
    assert app.locustfile.loop.startswith("Closed loop, Visitor of closed.py: the load is the number")
    assert app.unit == "users"
    assert inspect(ROOT / "docs/examples/shop_load.py").loop.startswith("Open loop, Buyer of shop_load.py")


def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(LocustfileError, match="No module named 'nothing_of_this_name'"):
        inspect(tmp_path / "broken.py")
