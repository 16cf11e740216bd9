"""The figure of the work dial: what it says about measurements that are given."""

import os
import signal
from xml.etree import ElementTree

import psutil
import pytest

from loadtests.tuner import sweep
from loadtests.tuner.measuring import command
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.sweep import fewest, figure, simulated, table

FOUND = {0.0: {1: 190.0, 2: 185.0, 4: 180.0}, 15.0: {1: 45.0, 2: 92.0, 4: 180.0}}
SVG = "{http://www.w3.org/2000/svg}"


def test_the_fewest_that_are_as_good_as_the_best() -> None:
    assert fewest(FOUND[0.0]) == 1
    assert fewest(FOUND[15.0]) == 4


def test_the_table_sets_what_was_found_beside_the_rule() -> None:
    head, _, none, some = table(FOUND, 1).splitlines()
    assert head.startswith("| waiting for a request | 1 | 2 | 4 |")
    assert none == "| 0 ms | 190 | 185 | 180 | **1** | 1 |"
    assert some == "| 15 ms | 45 | 92 | 180 | **4** | 4 |"


def test_the_figure_is_an_image_with_axes_and_a_legend() -> None:
    drawn = ElementTree.fromstring(figure(FOUND))  # noqa: S314 - our own
    said = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"workers", "requests/s within the SLO", "0 ms of waiting", "15 ms of waiting"} <= set(said)
    assert len(list(drawn.iter(f"{SVG}circle"))) == 6


def test_the_best_count_follows_the_waiting() -> None:
    assert [fewest(rates) for rates in simulated(1).values()] == [1, 2, 4, 8]


def test_one_that_is_stopped_leaves_no_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running: list[psutil.Process] = []

    def stopped(_: CommandTarget, *__: float) -> None:
        running.extend(psutil.Process().children(recursive=True))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(command, "WARM_UP", 0.2)
    monkeypatch.setattr(CommandTarget, "measure", stopped)
    assert sweep.main([]) == 1
    assert "stopped; nothing was written" in capsys.readouterr().out
    assert len(running) > 1
    assert not [process for process in running if process.is_running()]
