"""A log that cannot be written neither stops nor fails what is logged."""

import contextlib
import io
import json
import logging
import os
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.log_output import OUTPUT, Output
from shared.logging import configure_logging, get_logger

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def fill(writing: int) -> None:
    os.set_blocking(writing, False)
    try:
        while os.write(writing, b"x" * (select.PIPE_BUF - 1) + b"\n"):
            pass
    except BlockingIOError:
        os.set_blocking(writing, True)


def drain(reading: int) -> bytes:
    os.set_blocking(reading, False)
    pieces = []
    try:
        while piece := os.read(reading, 65536):
            pieces.append(piece)
    except BlockingIOError:
        pass
    return b"".join(pieces).replace(b"x" * (select.PIPE_BUF - 1) + b"\n", b"")


def test_a_reader_that_stops_reading_stops_nobody_and_is_told_what_it_missed(pipe: Pipe) -> None:
    reading, writing = pipe
    output = Output(lambda: writing, wait=0.01)
    fill(writing)
    output.write(b"one\ntwo\n")
    output.write(b"three\n")
    assert drain(reading) == b""
    output.write(b"four\n")
    output.write(b"five\n")
    assert drain(reading) == b"3 lines of the log were dropped\nfour\nfive\n"


def test_a_line_that_was_cut_ends_before_the_next(pipe: Pipe) -> None:
    reading, writing = pipe
    output = Output(lambda: writing, wait=0.01)
    fill(writing)
    os.read(reading, select.PIPE_BUF)
    output.write(b"y" * select.PIPE_BUF + b"rest\n")
    assert drain(reading) == b"y" * select.PIPE_BUF
    output.write(b"next\n")
    assert drain(reading) == b"\n1 lines of the log were dropped\nnext\n"


def test_a_reader_that_is_gone_and_a_full_disk_fail_nobody(pipe: Pipe) -> None:
    reading, writing = pipe
    os.close(reading)
    output = Output(lambda: writing)
    assert output.write(b"one\n") == 4
    with Path("/dev/full").open("wb") as full:
        assert Output(full.fileno).write(b"one\n") == 4


@pytest.mark.parametrize("form", ["json", "console"])
def test_logging_to_a_full_disk_raises_nothing(
    form: str, sample_settings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(sys, "stdout", os.fdopen(stdout, "w", closefd=False))
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(sys, "stderr", errors := io.StringIO())
    configure_logging(sample_settings(log_format=form))
    get_logger().info("item_created", item_id=7)
    logging.getLogger("some.library").warning("lost")
    OUTPUT.write(b"{}\n{}\n")
    assert errors.getvalue() == ""
    os.close(stdout)


def test_the_line_about_dropped_lines_is_like_all_others(
    pipe: Pipe, sample_settings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = pipe
    configure_logging(sample_settings())
    output = Output(lambda: writing, wait=0.01)
    output.told = OUTPUT.told
    fill(writing)
    output.write(b"{}\n")
    drain(reading)
    output.write(b"{}\n")
    told, line = map(json.loads, drain(reading).splitlines())
    assert (told["event"], told["number"], told["level"]) == ("log_lines_dropped", 1, "warning")
    assert (told["service"], line) == ("sample", {})
