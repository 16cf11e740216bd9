"""The gunicorn worker: uvicorn on uvloop and httptools, with a graceful stop and clear refusals."""

import logging
import signal
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

MARGIN = 3  # seconds between uvicorn's limit and gunicorn's SIGKILL, for the lifespan's shutdown
LONGEST_HEAD = 65_536  # bytes of a request line and its headers; uvicorn itself has no limit


class Protocol(HttpToolsProtocol):
    """Answers bytes that are no HTTP with a problem document, as all other errors are."""

    _in_head = False
    _head_size = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > LONGEST_HEAD:
                self._refuse(431, "headers_too_large", "Request headers too large")

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            return
        # Upgrades are ignored, but httptools reads nothing more: neither this request's body nor another one.
        if any(name in _BODY and value != b"0" for name, value in self.headers):
            raise ValueError("an upgrade with a body")  # becomes a 400
        super().on_headers_complete()
        self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's words are not for callers
        self._refuse(400, "malformed_request", "Malformed HTTP request")

    def _refuse(self, status: int, code: str, title: str) -> None:
        cycle = self.cycle
        answering = cycle is not None and cycle.response_started and not cycle.response_complete
        if not answering:  # or this would pass for a part of the answer that is under way
            body = orjson.dumps(
                {"type": f"urn:facet:problem:{code}", "title": title, "status": status, "code": code}
            )
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/problem+json\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n%s"
                % (status, HTTPStatus(status).phrase.encode(), len(body), body)
            )
        self._in_head = False
        self.transport.close()


_BODY = frozenset({b"content-length", b"transfer-encoding"})


class Worker(UvicornWorker):  # type: ignore[misc]  # uvicorn_worker has no types
    """Stops within gunicorn's graceful timeout: requests in flight finish, then the lifespan ends."""

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012 - the base class declares it so
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - MARGIN)
        logging.getLogger("uvicorn.error").propagate = True  # the base class keeps it from our handler

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - the signature is gunicorn's
        """SIGQUIT, which gunicorn's master sends when it gets SIGINT: stop as on SIGTERM.

        The base class only notes it, and the worker would run on until it is killed.
        """
        signal.raise_signal(signal.SIGTERM)
