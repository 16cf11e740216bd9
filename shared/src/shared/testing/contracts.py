"""Contracts between services, in `tests/contracts`: examples that both sides are tested with."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from shared.events import Event


@dataclass(frozen=True, slots=True)
class Interaction:
    """`credential` says what kind of one the request has; the tests have real ones."""

    name: str
    method: str
    path: str
    status: int
    answer: Any
    body: Any = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class Contracts:
    """`root` is the folder `tests/contracts`."""

    root: Path

    def event(self, kind: str, version: int = 1) -> Event:
        return Event.model_validate_json((self.root / "events" / f"{kind}.{version}.json").read_text())

    def events(self, prefix: str) -> dict[str, Event]:
        """By kind and version, those whose kinds begin with `prefix`."""
        files = sorted((self.root / "events").glob(f"{prefix}*.json"))
        return {file.stem: Event.model_validate_json(file.read_text()) for file in files}

    def http(self, name: str) -> dict[str, Interaction]:
        """Interactions by name."""
        document = json.loads((self.root / "http" / f"{name}.json").read_text())
        return {one["name"]: _interaction(one) for one in document["interactions"]}


def _interaction(given: dict[str, Any]) -> Interaction:
    asked, answered = given["request"], given["response"]
    return Interaction(
        name=given["name"],
        method=asked["method"],
        path=asked["path"],
        status=answered["status"],
        answer=answered["json"],
        body=asked.get("json"),
        credential=asked.get("credential"),
    )


def misfits(example: Any, actual: Any, where: str = "answer") -> list[str]:
    """What a reader of the example would miss in `actual`: more members are fine, fewer or others are not."""
    if isinstance(example, dict) and isinstance(actual, dict):
        missing = [f"{where}.{name} is missing" for name in example if name not in actual]
        both = [name for name in example if name in actual]
        return missing + [
            one for name in both for one in misfits(example[name], actual[name], f"{where}.{name}")
        ]
    if isinstance(example, list) and isinstance(actual, list):
        if bool(example) != bool(actual):
            return [f"{where} has {len(actual)} entries"]
        return [one for entry in actual for one in misfits(example[0], entry, f"{where}[]")]
    if _kind(example) != _kind(actual):
        return [f"{where} is {_kind(actual)}, not {_kind(example)}"]
    return []


def _kind(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


@dataclass
class Played:
    """The provider as an interaction has it: an ASGI application. `asked` is what came."""

    interaction: Interaction
    asked: list[tuple[str, str, Any, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _alive(receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        sent = json.loads(body) if body else None
        self.asked.append((request.method, request.url.path, sent, dict(request.headers)))
        await self._answer()(scope, receive, send)

    def _answer(self) -> Response:
        return JSONResponse(self.interaction.answer, self.interaction.status)

    @property
    def as_agreed(self) -> bool:
        """True if exactly the request of the interaction came, once."""
        wanted = self.interaction.method, self.interaction.path, self.interaction.body
        return [one[:3] for one in self.asked] == [wanted]


async def _alive(receive: Receive, send: Send) -> None:
    for what in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{what}.complete"})
