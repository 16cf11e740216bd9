"""What the cycles of this service share: whose turn it is, and how a request is counted and logged."""

from abc import ABC, abstractmethod
from time import perf_counter
from typing import Any

from ml_predict.lean import LeanRoute
from shared.context import RequestContext
from shared.metrics import REQUEST_METRICS
from shared.middleware.access_log import log_request


class OrderedCycle(ABC):
    """One request, from its head to the end of its answer: see `shared.wire.Cycle`."""

    waiting_for_100_continue = False

    def __init__(self, connection: Any, route: LeanRoute, context: RequestContext) -> None:
        self._began = perf_counter()
        self._connection = connection
        self._route = route
        self._context = context
        self._path: str = connection.url.decode()
        self._my_turn = self._whole = self._lost = False
        self.keep_alive: bool = connection.keep_alive_wanted()
        self.response_started = self.response_complete = False

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """A part of the body."""

    @abstractmethod
    def _answer(self) -> None:
        """It is this request's turn, and its body is whole."""

    def start(self) -> None:
        self._my_turn = True
        REQUEST_METRICS.begin()
        if self._whole:
            self._answer()

    def end(self) -> None:
        self._whole = True
        if self._my_turn and not self._lost:
            self._answer()

    def lose(self) -> None:
        if self.response_complete or self._lost:
            return
        self._lost = True
        if self._my_turn:
            self._note(0)

    def _done(self, status: int) -> None:
        """The answer is written."""
        self.response_started = self.response_complete = True
        self._note(status)
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()

    def _note(self, status: int) -> None:
        seconds = perf_counter() - self._began
        client = self._connection.client
        REQUEST_METRICS.end("POST", self._route.path, status, seconds)
        log_request("POST", self._path, status, seconds, client[0] if client else None, self._context)
