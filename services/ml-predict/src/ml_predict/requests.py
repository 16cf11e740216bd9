"""Reading a request's body without a model for it."""

from fastapi import Request

from ml_predict.exceptions import BodyInvalid


async def json_body(request: Request) -> bytes:
    """The bytes of a body that says it is JSON. Raises BodyInvalid when it says something else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise BodyInvalid.of([(("body",), "Content-Type must be application/json", "content_type")])
    return await request.body()
