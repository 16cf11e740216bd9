"""One event a line, whoever logs it, and nothing in it that must not be kept."""

import io
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError

from shared.logging import configure_logging, described, get_logger

Lines = Callable[[], list[dict[str, Any]]]
Settings = Callable[..., Any]


def break_down() -> None:
    password = "hush-local"
    raise LookupError(len(password))


def test_an_event_is_one_json_line(log_lines: Lines, sample_settings: Settings) -> None:
    configure_logging(sample_settings())
    get_logger(part="ring").info("item_created", item_id=7, note="two\nlines")
    (line,) = log_lines()
    assert line["event"] == "item_created"
    assert (line["item_id"], line["part"], line["note"]) == (7, "ring", "two\nlines")
    assert (line["service"], line["level"]) == ("sample", "info")
    assert line["timestamp"].endswith("Z")


def test_a_record_of_the_standard_library_looks_the_same(log_lines: Lines, sample_settings: Settings) -> None:
    configure_logging(sample_settings())
    logging.getLogger("some.library").warning("lost %s of %d", "one", 2)
    (line,) = log_lines()
    assert (line["event"], line["logger"]) == ("lost one of 2", "some.library")
    assert (line["service"], line["level"]) == ("sample", "warning")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("library", [False, True])
def test_an_exception_is_structured_and_without_local_variables(
    log_lines: Lines, sample_settings: Settings, *, library: bool
) -> None:
    configure_logging(sample_settings())
    logger = logging.getLogger("some.library") if library else get_logger()
    try:
        break_down()
    except LookupError:
        logger.exception("broken")
    (line,) = log_lines()
    (error,) = line["exception"]
    assert (line["level"], error["exc_type"]) == ("error", "LookupError")
    assert error["frames"][-1]["name"] == "break_down"
    assert "hush" not in json.dumps(line)


def test_values_that_json_has_no_word_for_do_not_lose_the_line(
    log_lines: Lines, sample_settings: Settings
) -> None:
    configure_logging(sample_settings())
    get_logger().info("odd", half="\ud800", far=2**80, kind=object, names={1: "one"})
    (line,) = log_lines()
    assert (line["event"], line["far"], line["names"]) == ("odd", 2**80, {"1": "one"})


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_filters_both_kinds(
    log_lines: Lines, sample_settings: Settings, level: str, seen: list[str]
) -> None:
    configure_logging(sample_settings(log_level=level))
    for name in ("debug", "info", "warning", "error"):
        getattr(get_logger(), name)("event")
        getattr(logging.getLogger("some.library"), name)("record")
    lines = log_lines()
    assert [line["level"] for line in lines if line["event"] == "event"] == seen
    assert [line["level"] for line in lines if line["event"] == "record"] == seen


@pytest.mark.parametrize("name", ["httpx2", "httpcore2"])
def test_lines_that_would_say_it_twice_are_left_out(
    log_lines: Lines, sample_settings: Settings, name: str
) -> None:
    configure_logging(sample_settings())
    logging.getLogger(name).info("GET /?token=hush")
    logging.getLogger(name).warning("trouble")
    assert [line["event"] for line in log_lines()] == ["trouble"]


def test_the_console_form_is_for_people(
    capsys: pytest.CaptureFixture[str], sample_settings: Settings
) -> None:
    configure_logging(sample_settings(log_format="console"))
    try:
        break_down()
    except LookupError:
        get_logger().exception("broken", item_id=7)
    logging.getLogger("some.library").warning("careful")
    shown = capsys.readouterr().out
    assert "broken" in shown
    assert "careful" in shown
    assert "Traceback (most recent call last)" in shown
    assert "hush" not in shown
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(shown.splitlines()[0])


@pytest.mark.parametrize("terminal", [True, False])
def test_the_form_follows_the_terminal(
    monkeypatch: pytest.MonkeyPatch, sample_settings: Settings, *, terminal: bool
) -> None:
    out = _Terminal(terminal=terminal)
    monkeypatch.setattr(sys, "stdout", out)
    configure_logging(sample_settings(log_format="auto"))
    logging.getLogger("some.library").warning("careful")
    assert out.written().startswith(b"{") != terminal


class _Terminal(io.TextIOWrapper):
    def __init__(self, *, terminal: bool) -> None:
        self._bytes = io.BytesIO()
        self._terminal = terminal
        super().__init__(self._bytes, write_through=True)

    def isatty(self) -> bool:
        return self._terminal

    def written(self) -> bytes:
        return self._bytes.getvalue()


def test_an_error_is_described_with_what_it_says() -> None:
    assert described(ResponseError("NOGROUP of gems")) == "ResponseError('NOGROUP of gems')"
    assert described(KeyError("ring")) == "KeyError('ring')"
    assert described(TimeoutError()) == "TimeoutError()"
    assert described(None) == "None"
