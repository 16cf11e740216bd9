"""Imports listings from a file and exports them to one, with a bar: `python -m items.transfer import FILE`.

A client of the public routes, so it goes through the gateway; FACET_API_KEY says for whom. The same file is
the same import: after a break the command goes on where it was, and once it is through it lists nothing.
"""

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx2

SLICE_LINES: Final = 1000
SLICE_BYTES: Final = 1_048_576
ATTEMPTS: Final = 6
WIDTH: Final = 40
BLOCK: Final = 1_048_576


class TransferFailed(Exception):
    """The message is for people."""


class Bar:
    """How much is done. On one line of a terminal, in steps of a tenth elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._shown = -1

    def show(self, done: int, text: str) -> None:
        share = min(done / self._total, 1.0)
        if sys.stderr.isatty():
            filled = int(share * WIDTH)
            end = "\n" if share == 1 else ""
            sys.stderr.write(f"\r[{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}  {text}\x1b[K{end}")
            sys.stderr.flush()
        elif int(share * 10) > self._shown:
            self._shown = int(share * 10)
            sys.stderr.write(f"{share:4.0%}  {text}\n")


def import_file(client: httpx2.Client, file: Path, pause: float = 1.0) -> bool:
    """Whether all lines became listings. Raises TransferFailed."""
    path = f"/items/imports/{_digest(file)}"
    bar = Bar(file.stat().st_size)
    known = _ask(client, "GET", path, pause)
    state = {"line": 0, "created": 0, "failed": 0} if known is None else known.json()
    with file.open("rb") as source:
        for _ in range(state["line"]):
            _skip_line(source)
        while lines := _slice(source):
            sent = _ask(client, "POST", path, pause, params={"line": state["line"] + 1}, content=lines)
            if sent is None:
                raise TransferFailed("the gateway has no imports")
            state = sent.json()
            bar.show(source.tell(), f"{state['created']} listed, {state['failed']} wrong")
    for wrong in _wrong_lines(client, path, pause):
        _say(f"line {wrong['line']}: {wrong['reason']}")
    _say(f"{state['line']} lines: {state['created']} listed, {state['failed']} wrong")
    return not state["failed"]


def export_file(client: httpx2.Client, file: Path) -> None:
    """A file is there when it is whole; a device or a pipe gets the lines as they come.

    Raises TransferFailed.
    """
    if file.exists() and not file.is_file():
        with file.open("wb") as target:
            _export(client, target)
        return
    file = file.resolve()  # what a link points to, not the link, becomes another file
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as target:
            lines = _export(client, target)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    _say(f"{lines} listings")


def _export(client: httpx2.Client, target: BinaryIO) -> int:
    """How many listings."""
    lines = 0
    try:
        with client.stream("GET", "/items/exports/mine") as answer:
            if answer.status_code != HTTPStatus.OK:
                raise TransferFailed(_reason(answer.status_code, answer.read()))
            for chunk in answer.iter_bytes():
                target.write(chunk)
                lines += chunk.count(b"\n")
    except httpx2.HTTPError as error:
        raise TransferFailed(f"the export broke off after {lines} lines: {error!r}") from error
    return lines


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _slice(source: BinaryIO) -> bytes:
    """Some lines, or one long one: a slice ends where a line does, unless it is too long for any import."""
    lines: list[bytes] = []
    size = 0
    while len(lines) < SLICE_LINES and size < SLICE_BYTES and (line := source.readline(SLICE_BYTES)):
        if not line.endswith(b"\n"):
            _skip_line(source)  # the end of the file, or of a line whose rest makes no difference
            line += b"\n"
        lines.append(line)
        size += len(line)
    return b"".join(lines)


def _skip_line(source: BinaryIO) -> None:
    while (part := source.readline(BLOCK)) and not part.endswith(b"\n"):
        pass


def _ask(
    client: httpx2.Client, method: str, path: str, pause: float, **options: Any
) -> httpx2.Response | None:
    """Asks again after a fault: what was taken already is passed over. None for a 404."""
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            answer = client.request(method, path, **options)
        except httpx2.HTTPError as error:
            reason = repr(error)
            continue
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.is_success:
            return answer
        reason = _reason(answer.status_code, answer.content)
        if (
            answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
            and answer.status_code != HTTPStatus.TOO_MANY_REQUESTS
        ):
            break
    raise TransferFailed(reason)


def _reason(status: int, problem: bytes) -> str:
    return f"{status}: {problem.decode(errors='replace')[:500]}"


def _wrong_lines(client: httpx2.Client, path: str, pause: float) -> Iterator[dict[str, Any]]:
    following: str | None = f"{path}/errors?limit=100"
    while following and (page := _ask(client, "GET", following, pause)):
        yield from page.json()
        following = page.links.get("next", {}).get("url")


def main() -> int:
    parser = argparse.ArgumentParser(prog="items.transfer", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["import", "export"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the gateway")
    given = parser.parse_args()
    key = os.environ.get("FACET_API_KEY")
    if not key or not key.isascii():
        raise SystemExit("set FACET_API_KEY: an API key of the account, with the scope write for an import")
    with httpx2.Client(base_url=given.url, headers={"X-API-Key": key}, timeout=60, trust_env=False) as client:
        try:
            if given.what == "export":
                export_file(client, given.file)
                return 0
            return 0 if import_file(client, given.file) else 1
        except (TransferFailed, OSError) as error:
            raise SystemExit(f"{given.what} failed: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
