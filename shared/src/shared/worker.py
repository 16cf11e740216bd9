"""The gunicorn worker: uvicorn on uvloop and httptools, with a graceful stop and clear refusals."""

import logging
import signal
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

MARGIN = 3  # seconds between uvicorn's limit and gunicorn's SIGKILL, for the lifespan's shutdown
INVALID = orjson.dumps(
    {
        "type": "urn:facet:problem:malformed_request",
        "title": "Malformed HTTP request",
        "status": 400,
        "code": "malformed_request",
    }
)


class Protocol(HttpToolsProtocol):
    """Answers bytes that are no HTTP with a problem document, as all other errors are."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's words are not for callers
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering:  # or these bytes would pass for a part of the answer that is under way
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(INVALID), INVALID)
            )
        self.transport.close()


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
        for name in ("uvicorn.error", "uvicorn.access"):  # the base class takes them away from our handler
            logging.getLogger(name).propagate = True

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - the signature is gunicorn's
        """SIGQUIT, which gunicorn's master sends when it gets SIGINT: stop as on SIGTERM.

        The base class only notes it, and the worker would run on until it is killed.
        """
        signal.raise_signal(signal.SIGTERM)
