"""Requests that do not fit their models: 422 naming each field, never the value that was sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from shared.exceptions import MalformedJson, Unprocessable
from shared.problems import handles, problem_response

MOST_ERRORS = 50  # of one body: an answer must not outgrow the request by far


class ValidationFailed(Unprocessable):
    code, title = "validation_error", "Validation error"


@handles(RequestValidationError)
async def validation_error(request: Request, error: RequestValidationError) -> Response:
    """A body that is no JSON is 400."""
    errors: Sequence[Mapping[str, Any]] = error.errors()
    if any(item["type"] == "json_invalid" for item in errors):
        return problem_response(MalformedJson("The body is not valid JSON."), request.url.path)
    listed = [
        {"loc": list(item["loc"]), "message": item["msg"], "type": item["type"]}
        for item in errors[:MOST_ERRORS]
    ]
    detail = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['message']}" for item in listed[:3])
    return problem_response(ValidationFailed(detail, errors=listed), request.url.path)
