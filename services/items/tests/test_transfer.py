"""The command that imports and exports files, against the service itself."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from items.transfer import SLICE_BYTES, SLICE_LINES, TransferFailed, export_file, import_file
from shared.testing import LiveApp, TestIdentity

ALICE, BOB = 1, 2
NUMBER = 2 * SLICE_LINES + 10
pytestmark = pytest.mark.usefixtures("empty")


class Unreliable(httpx2.HTTPTransport):
    """Sends every second request on and loses its answer."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self._number += 1
        answer = super().handle_request(request)
        if self._number % 2:
            answer.close()
            raise httpx2.ReadError("lost")
        return answer


@pytest.fixture
def client(live: LiveApp, identity: TestIdentity) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=live.url, headers=identity.headers(ALICE), transport=Unreliable(), timeout=20
    ) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stones.ndjson"
    lines = [json.dumps({"name": f"Stone {number}", "price": "1.00"}) for number in range(NUMBER)]
    path.write_text("\n".join(lines))
    return path


async def test_a_file_is_listed_once_though_every_second_answer_is_lost(
    client: httpx2.Client, alice: httpx2.AsyncClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert await asyncio.to_thread(import_file, client, file, 0.0)
        assert f"{NUMBER} lines: {NUMBER} listed, 0 wrong" in capsys.readouterr().out
    exported = (await alice.get("/items/exports/mine")).text.splitlines()
    assert [json.loads(line)["name"] for line in exported] == [f"Stone {one}" for one in range(NUMBER)]


async def test_wrong_lines_are_shown_and_the_status_says_so(
    client: httpx2.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "odd.ndjson"
    file.write_bytes(b'{"name": "ok", "price": "1"}\n' + b"x" * (3 * SLICE_BYTES) + b"\nno JSON\n\xff")
    assert not await asyncio.to_thread(import_file, client, file, 0.0)
    shown = capsys.readouterr().out.splitlines()
    assert [line[:7] for line in shown if line.startswith("line ")] == ["line 2:", "line 3:", "line 4:"]
    assert "4 lines: 1 listed, 3 wrong" in shown


async def test_an_export_is_whole_or_not_there(
    live: LiveApp, identity: TestIdentity, client: httpx2.Client, file: Path, tmp_path: Path
) -> None:
    await asyncio.to_thread(import_file, client, file, 0.0)
    exported = tmp_path / "exported.ndjson"
    with pytest.raises(TransferFailed):
        await asyncio.to_thread(export_file, client, exported)
    assert not exported.exists()
    assert not exported.with_name("exported.ndjson.part").exists()
    await asyncio.to_thread(export_file, client, exported)
    with httpx2.Client(base_url=live.url, headers=identity.headers(BOB), timeout=20) as bob:
        assert await asyncio.to_thread(import_file, bob, exported, 0.0)


def answering(lines: bytes) -> httpx2.Client:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=lines))
    return httpx2.Client(base_url="http://gateway", transport=transport)


def test_an_export_to_a_pipe_leaves_it_a_pipe(tmp_path: Path) -> None:
    """Whoever may write to /dev would otherwise lose a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    with answering(b"{}\n{}\n") as client:
        export_file(client, pipe)
    assert os.read(reader, 100) == b"{}\n{}\n"
    os.close(reader)
    assert pipe.is_fifo()


def test_an_export_through_a_link_writes_what_it_points_to(tmp_path: Path) -> None:
    link, real = tmp_path / "link", tmp_path / "real"
    link.symlink_to(real)
    with answering(b"{}\n") as client:
        export_file(client, link)
    assert link.is_symlink()
    assert real.read_bytes() == b"{}\n"
    assert not list(tmp_path.glob("*.part"))


def refusing(status: int) -> httpx2.Client:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, json={"detail": "no"}))
    return httpx2.Client(base_url="http://gateway", transport=transport)


@pytest.mark.parametrize("status", [401, 403, 503])
@pytest.mark.parametrize("transfer", [lambda *given: import_file(*given, 0.0), export_file])
def test_a_refusal_is_told(file: Path, status: int, transfer: Callable[..., Any]) -> None:
    with refusing(status) as client, pytest.raises(TransferFailed, match=str(status)):
        transfer(client, file)
