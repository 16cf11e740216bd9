"""Programs for tests: forked, and as `asyncio.subprocess` would show them."""

import asyncio
import os
from pathlib import Path

import pytest

from shared.testing.programs import Program, begin, started

FAILS = "import sys; print('said'); sys.exit('wrong')"


async def test_what_a_program_writes_is_read_from_it() -> None:
    program = await started("-c", FAILS, environment=os.environ)
    assert await program.communicate() == [b"said\nwrong\n"]
    assert program.returncode == 1


async def test_errors_may_be_read_apart() -> None:
    program = await started("-c", FAILS, environment=os.environ, apart=True)
    assert await program.communicate() == [b"said\n", b"wrong\n"]


async def test_it_runs_until_it_is_told(tmp_path: Path) -> None:
    forever = "import signal; print('up', flush=True); signal.pause()"
    program = await started("-c", forever, environment={})
    assert program.stdout is not None
    assert await program.stdout.readline() == b"up\n"
    assert program.returncode is None
    program.terminate()
    assert await program.wait() == -15


async def test_it_has_the_environment_and_the_file_that_it_was_given(tmp_path: Path) -> None:
    show = "import os; print(dict(os.environ)['OWN'], os.getpgrp() == os.getpid())"
    program = Program(begin("-c", show, environment={"OWN": "yes"}, outputs=[tmp_path / "log"]))
    async with asyncio.timeout(20):
        assert await program.wait() == 0
    assert (tmp_path / "log").read_text() == "yes True\n"


@pytest.mark.skipif("COVERAGE_PROCESS_CONFIG" not in os.environ, reason="coverage does not measure this run")
async def test_coverage_begins_in_it() -> None:
    program = await started(
        "-c", "import coverage; print(coverage.process_startup.coverage)", environment=os.environ
    )
    assert b"<Coverage @" in (await program.communicate())[0]
