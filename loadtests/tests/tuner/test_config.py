"""The tuner's file: what it takes, and how it says what is wrong."""

from pathlib import Path

import pytest

from loadtests.tuner.config import load, split
from loadtests.tuner.fields import ConfigError, duration

GOOD = """
[app]
command = "serve -w {workers} -p {port}"
[slo]
p95 = "0.5s"
[[request]]
path = "/items/{int:1-9}"
weight = 3
[limits]
cpus = 1
memory = "1.5GiB"
database_connections = 40
connections_per_worker = 10
[state]
reset = "rm -f shop.sqlite3"
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(text)
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    app = load(_file(tmp_path, GOOD))
    assert (app.name, app.cwd) == ("shop", tmp_path)
    assert (app.slo.percentile, app.slo.latency) == (95, 0.5)
    assert app.limits.memory == 1.5 * 1024**3
    assert app.limits.connections_per_worker == {"app": 10}
    assert app.requests[0].weight == 3
    assert app.reset == "rm -f shop.sqlite3"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("{workers}", "4", "cannot be tuned"),
        ("{port}", "80", "no {port}"),
        ("p95", "p95x", "[slo] has no p95x; there are p50, p90"),
        ('p95 = "0.5s"', "", "exactly one percentile"),
        ('"0.5s"', '"fast"', "must be a duration"),
        ("[[request]]", "[[requests]]", "[requests] is unknown"),
        ('path = "/', 'path = "', "begins with /"),
        ("weight", "wieght", "has no wieght"),
        ("1.5GiB", "lots", "a size above zero"),
        ("cpus = 1", "cpus = 4096", "this machine gives"),
        ("[slo]", "[slo", "line"),
        ("-p {port}", "-p {port} -t {threads}", "threads: must stand in the command"),
        ("[slo]", "[tune]\nthreads = [1, 2]\n[slo]", "threads: must stand in the command"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(
    tmp_path: Path, before: str, after: str, reason: str
) -> None:
    assert before in GOOD
    with pytest.raises(ConfigError) as refused:
        load(_file(tmp_path, GOOD.replace(before, after)))
    assert reason in str(refused.value)


def test_a_file_that_is_not_there_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="facet-tune init"):
        load(tmp_path / "none.toml")


def test_the_generator_has_a_cpu_of_its_own_unless_the_application_is_to_have_all() -> None:
    apart = split(None, [3, 5, 7])
    assert (apart.target, apart.load, apart.shared) == ({3, 5}, {7}, False)
    assert split(3, [3, 5, 7]).shared
    assert split(None, [3]).shared


def test_durations() -> None:
    assert (duration("250ms"), duration("1.5 s")) == (0.25, 1.5)


def test_other_settings_are_placeholders_with_values(tmp_path: Path) -> None:
    text = GOOD.replace("{port}", "{port} --threads {threads}") + "[tune]\nthreads = [1, 4]\n"
    assert load(_file(tmp_path, text)).knobs == {"threads": ("1", "4")}
