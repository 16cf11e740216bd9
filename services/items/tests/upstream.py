"""A real server that plays ml-predict, well and badly."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MODEL = {"name": "diamond-price", "version": "1"}
PRICE = {"estimate": 2829.62, "low": 2490.4, "high": 3214}

Play = Callable[[Request], Awaitable[Response]]


async def well(request: Request) -> Response:
    """A price for each instance."""
    return await by("1")(request)


def by(version: str, **members: Any) -> Play:
    """Another version answers."""

    async def play(request: Request) -> Response:
        prices = [PRICE for _ in (await request.json())["instances"]]
        return JSONResponse({"model": {**MODEL, "version": version}, "predictions": prices, **members})

    return play


def refusing(*carats: float) -> Play:
    """The model does not price diamonds of these weights."""

    async def play(request: Request) -> Response:
        asked = [one["carat"] for one in (await request.json())["instances"]]
        refused = [position for position, carat in enumerate(asked) if carat in carats]
        if not refused:
            return await well(request)
        return JSONResponse({"code": "validation_error", "refused_instances": refused}, 422)

    return play


def always(response: Response) -> Play:
    async def play(_: Request) -> Response:
        return response

    return play


class Upstream:
    """ml-predict as `play` has it. `held` lets `hold` answer."""

    def __init__(self) -> None:
        self.held = asyncio.Event()
        self.url = ""
        self.app = Starlette(routes=[Route("/predict", self._predict, methods=["POST"])])
        self.begin()

    def begin(self) -> None:
        self.held.set()
        self.held = asyncio.Event()
        self.play: Play = well
        self.asked: list[tuple[dict[str, str], Any]] = []

    async def _predict(self, request: Request) -> Response:
        self.asked.append((dict(request.headers), await request.json()))
        return await self.play(request)

    async def hold(self, request: Request) -> Response:
        await self.held.wait()
        return await well(request)
