"""What the scenarios can be told, on locust's own command line and its web page."""

import argparse
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.exception import StopTest

from loadtests.mix import USUAL, parse_mix, write_mix
from loadtests.scenarios import verdict
from loadtests.target import refusal

PATIENCE = 15.0  # seconds until a connection or an answer counts as failed


def register() -> None:
    """Each scenario calls this; only the first call does anything."""
    if not _registered:
        _registered.append(True)
        events.init_command_line_parser.add_listener(_add_arguments)
        events.init.add_listener(_guard)
        events.init.add_listener(_refresh_clock)
        events.quitting.add_listener(verdict.judge)


_registered: list[bool] = []


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("Facet").add_argument
    add("--mix", type=_mix, default=write_mix(USUAL), help="Weights of the actions (default: %(default)s)")
    add(
        "--think",
        type=_span,
        default="0.5-2",
        help="Seconds between actions, closed loop (default: %(default)s)",
    )
    add("--arrivals", type=_positive, default=20.0, help="Actions a second, open loop (default: %(default)s)")
    add(
        "--schedule",
        choices=("poisson", "constant"),
        default="poisson",
        help="Gaps between actions, open loop (default: %(default)s)",
    )
    add("--seed", type=int, default=1, help="Of the schedule, open loop (default: %(default)s)")
    add(
        "--late",
        type=_positive,
        default=1.0,
        help="Seconds after which a request that waits for a user fails, open loop (default: %(default)s)",
    )
    add(
        "--steps",
        type=int,
        default=5,
        choices=range(1, 101),
        metavar="N",
        help="Stairs (default: %(default)s)",
    )
    add(
        "--max-failures",
        type=_share,
        default=0.01,
        help="Exit with 1 above this share (default: %(default)s)",
    )
    add("--target-is-mine", action="store_true", help="Allow a host other than this machine")


def _guard(environment: Environment, **_: Any) -> None:
    """The host may come from the web page later, so users ask again."""
    if environment.host and (reason := refuse(environment, environment.host)):
        raise SystemExit(reason)


def _refresh_clock(**_: Any) -> None:
    """gevent counts `--run-time` from when its loop last ran, which was before all the imports."""
    gevent.get_hub().loop.update_now()


def refuse(environment: Environment, host: str) -> str | None:
    return refusal(host, mine=bool(given(environment).target_is_mine))


def check_target(environment: Environment, host: str | None) -> None:
    """Raises StopTest when no load may go there."""
    if reason := refuse(environment, host or ""):
        raise StopTest(reason)


def given(environment: Environment) -> argparse.Namespace:
    if environment.parsed_options is None:
        raise StopTest("these scenarios need locust's command line")
    options: argparse.Namespace = environment.parsed_options
    return options


def describe(environment: Environment, *, open_loop: bool) -> None:
    """Every report says what kind of load it shows: the HTML page, and the last line."""
    options = given(environment)
    if open_loop:
        kind = f"open loop, {options.schedule}, {options.arrivals:g} actions/s, seed {options.seed}"
    else:
        kind = f"closed loop, {options.think} s between actions"
    environment.profile = environment.profile or kind
    verdict.LOAD.kind = kind


def mix(environment: Environment) -> dict[str, int]:
    return _parsed_mix(given(environment).mix)


def think(environment: Environment) -> tuple[float, float]:
    """The shortest and the longest pause, seconds."""
    return _parsed_span(given(environment).think)


@lru_cache(maxsize=1)
def _parsed_mix(text: str) -> dict[str, int]:
    return parse_mix(text)


@lru_cache(maxsize=1)
def _parsed_span(text: str) -> tuple[float, float]:
    """`"0.5-2"` or `"1"`. Raises ValueError."""
    shortest, _, longest = text.partition("-")
    span = float(shortest), float(longest or shortest)
    if not 0 <= span[0] <= span[1] < float("inf"):
        raise ValueError(f"{text!r} is no span of seconds like 0.5-2")
    return span


def _mix(text: str) -> str:
    return _checked(text, parse_mix)


def _span(text: str) -> str:
    return _checked(text, _parsed_span)


def _checked(text: str, parse: Callable[[str], Any]) -> str:
    """The text itself, because the web page shows it and sends it back."""
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value
