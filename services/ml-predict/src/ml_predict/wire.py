"""Lean routes answered from the connection, without an ASGI cycle: that would cost more than a prediction.

What middleware does for other requests (ids, metrics, access log, problems) is done here by the same
functions. A request of any unusual form goes the usual way, which ends at the same routes.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from fastapi import Response

from ml_predict.early import refusal
from ml_predict.exceptions import QueueFull
from ml_predict.lean import LeanRoute
from ml_predict.lean_routes import LeanRoutes
from ml_predict.refused import RefusedCycle
from ml_predict.requests import WireRequest
from ml_predict.resumed import resumed
from shared.context import CURRENT
from shared.direct import DirectConnection
from shared.exceptions import ServiceError
from shared.ordered import Answer, OrderedCycle
from shared.problems import problem_of, problem_response, unexpected
from shared.wire import Cycle

_BEARER: Final = b"Bearer "


class PredictionConnection(DirectConnection):
    """One client connection. `lean_routes` in the lifespan's state says which requests are answered here."""

    def make_cycle(self) -> Cycle:
        routes: LeanRoutes | None = self.app_state.get("lean_routes")
        found = routes.find(self) if routes is not None else None
        if found is None:
            return super().make_cycle()
        route, parameters = found
        refused = refusal(self, parameters.get("model")) if route.predicts else None
        if refused is not None:
            return RefusedCycle(self, route, refused)
        return LeanCycle(self, route, parameters)


class LeanCycle(OrderedCycle):
    """A request that a lean route answers."""

    def __init__(self, connection: Any, route: LeanRoute, parameters: dict[str, str]) -> None:
        super().__init__(connection, "POST", connection.url.decode(), route.path)
        self._route = route
        self._fields: dict[bytes, bytes] = dict(connection.headers)
        self._parameters = parameters
        self._body = b""
        self._task: asyncio.Task[None] | None = None

    def feed(self, data: bytes) -> None:
        self._body = self._body + data if self._body else data

    def lose(self) -> None:
        if self._task is not None and not self.response_complete and not self._lost:
            self._task.cancel()
        super().lose()

    def _answer(self) -> None:
        """Most answers are there at once; a task is made only for what has to wait."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": self._path,
            "headers": self._connection.headers,
            "state": self._connection.app_state,
        }
        answering = self._route.answer(WireRequest(scope, self._body), self._parameters)
        token = CURRENT.set(self._context)
        try:
            if self._at_once() and self._knows_caller():
                waiting = answering.send(None)
                answering = resumed(answering, waiting)
            self._task = self._connection.loop.create_task(self._wait(answering))
        except StopIteration as done:
            self._respond(_answer(done.value))
        except Exception as error:  # noqa: BLE001 - every error is answered
            self._refuse(error)
        finally:
            CURRENT.reset(token)

    def _at_once(self) -> bool:
        """As the first of what has come, unless its caller does not read."""
        first, self._connection.at_once = self._connection.at_once, False
        return first and not self._connection.flow.write_paused

    def _knows_caller(self) -> bool:
        """True if the token needs no looking up, which only a task may wait for."""
        given = self._fields.get(b"authorization", b"")
        if not given.startswith(_BEARER):
            return True  # and refused without waiting
        known = self._connection.app_state["verifier"].known(given[len(_BEARER) :].decode("latin-1"))
        return known is not None

    async def _wait(self, answering: Coroutine[Any, Any, Response]) -> None:
        try:
            await self._connection.flow.drain()
            response = await answering
        except Exception as error:  # noqa: BLE001 - every error is answered
            self._refuse(error)
        else:
            self._respond(_answer(response))

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, QueueFull):  # counted, and many: without the line of its own that others have
            response = problem_response(error, self._path)
        elif isinstance(error, ServiceError):
            response = problem_of(error, self._path)
        else:
            response = unexpected(self._path, error)
        self._respond(_answer(response))


def _answer(response: Response) -> Answer:
    return response.status_code, response.raw_headers, bytes(response.body)
