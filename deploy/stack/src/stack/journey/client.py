"""Sends requests, prints each as a curl command, and checks the answers."""

import asyncio
import secrets
import time
from http import HTTPStatus
from typing import Any

import httpx2

from stack.journey.curl import curl
from stack.terminal import Terminal

# A shell function that takes a field out of an answer; the printed commands use it.
FIELD = """field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }"""
PAUSE = 0.05


class StepFailed(Exception):
    """A step of the journey failed; the message names the step and what was wrong."""


class JourneyClient:
    """A person with a fresh account. `variables` are the shell variables that the printed lines have set."""

    def __init__(self, client: httpx2.AsyncClient, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal
        self.email = f"ada-{secrets.token_hex(4)}@example.com"
        self.password = f"{secrets.token_hex(4)}-brilliant-cut"
        self.variables: dict[str, str] = {}

    async def ask(
        self,
        title: str,
        method: str,
        path: str,
        *,
        expect: HTTPStatus,
        keep: dict[str, str] | None = None,
        show: tuple[str, ...] = (),
        within: float = 0.0,
        **given: Any,
    ) -> Any:
        """The answer's JSON. Raises StepFailed for another status than `expect`.

        `keep` names a shell variable and the field of the answer that it takes; `show` names headers that
        are printed and must be there; `within` is how many seconds an expected change may take to show.
        """
        request = self._client.build_request(method, path, **given)
        self._print(title, request, keep or {}, show)
        response = await self._send(title, request, expect, within)
        body: Any = response.json() if response.content else None
        missing = [name for name in show if name not in response.headers]
        status = f"{response.status_code} {response.reason_phrase}"
        self._terminal.answer(status, {name: response.headers.get(name, "-") for name in show}, body)
        if response.status_code != expect or missing:
            right = response.status_code == expect
            wrong = f"without {missing[0]}" if right else f"{status}, expected {int(expect)}"
            raise StepFailed(f"{title}: {method} {path} answered {wrong}")
        for variable, field in (keep or {}).items():
            self.variables[variable] = body[field]
        return body

    def claim(self, title: str, *, holds: bool, otherwise: str) -> None:
        """Raises StepFailed when an answer has the right status and says the wrong thing."""
        if not holds:
            raise StepFailed(f"{title}: {otherwise}")

    def remark(self, text: str) -> None:
        self._terminal.line(f"  {text}", "bold")

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.variables['TOKEN']}"}

    def _print(
        self, title: str, request: httpx2.Request, keep: dict[str, str], show: tuple[str, ...]
    ) -> None:
        known = {name: value for name, value in self.variables.items() if name not in keep}
        line = curl(request, known, show_headers=bool(show))
        for variable, field in keep.items():
            line = f"{variable}=$({line} | field {field})"
        self._terminal.heading(title)
        self._terminal.command(line)

    async def _send(
        self, title: str, request: httpx2.Request, expect: HTTPStatus, within: float
    ) -> httpx2.Response:
        deadline = time.monotonic() + within
        try:
            while True:
                response = await self._client.send(request)
                if response.status_code == expect or time.monotonic() > deadline:
                    return response
                await asyncio.sleep(PAUSE)
        except httpx2.TransportError as error:
            raise StepFailed(f"{title}: {type(error).__name__} {error}".rstrip()) from error
