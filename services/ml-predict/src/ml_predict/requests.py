"""Reading a request's body without a model for it."""

from collections.abc import Awaitable, Callable

from fastapi import Request
from starlette.types import Scope

from ml_predict.exceptions import BodyInvalid, EncodingUnsupported
from ml_predict.oip import LENGTH

_DIGITS = 10


class WireRequest(Request):
    """A request whose body is here already. It is cancelled when its caller leaves."""

    def __init__(self, scope: Scope, body: bytes) -> None:
        super().__init__(scope)
        self._body = body  # where Starlette keeps what it has read


def gone(request: Request) -> Callable[[], Awaitable[None]] | None:
    """When awaited, returns once the caller has closed the connection. Read the body before."""
    if isinstance(request, WireRequest):
        return None

    async def wait() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return wait


async def json_body(request: Request) -> bytes:
    """The bytes of a body that says it is JSON. Raises BodyInvalid when it says something else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise BodyInvalid.of([(("body",), "Content-Type must be application/json", "content_type")])
    return await plain_body(request)


async def plain_body(request: Request) -> bytes:
    """The bytes of the body. Raises EncodingUnsupported: nobody knows how long a compressed body gets."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise EncodingUnsupported("Send the body without Content-Encoding.")
    return await request.body()


def json_length(request: Request) -> int | None:
    """Bytes of JSON before binary tensors. Raises BodyInvalid for what is no number."""
    given = request.headers.get(LENGTH)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= _DIGITS):
        raise BodyInvalid.of([(("header", LENGTH), "must be a number", "int_parsing")])
    return int(given)
