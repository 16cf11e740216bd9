"""What a route's signature asks for, planned once: FastAPI looks at all of it again for each request."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import ResponseValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from shared.ordered import Answer
from shared.parameter import Parameter, Unplanned, parameter_of


@dataclass(slots=True)
class Step:
    """One call: a dependency, or the endpoint as the last. `inputs` name the steps whose results it gets."""

    call: Callable[..., Any]
    inputs: dict[str, int] = field(default_factory=dict)
    parameters: list[Parameter] = field(default_factory=list)
    request: list[str] = field(default_factory=list)
    response: str | None = None


class Plan:
    """All steps in the order in which FastAPI would take them, each dependency once."""

    def __init__(self, route: APIRoute) -> None:
        self.route = route
        self._steps: list[Step] = []
        self._places: dict[Any, int] = {}
        self._add(route.dependant)
        self._needs_response = any(step.response for step in self._steps)
        self._status = route.status_code or 200
        self._model: Any = route.response_field

    def _add(self, dependant: Dependant) -> int:
        if dependant.use_cache and dependant.call in self._places:
            return self._places[dependant.call]
        step = Step(_planned(dependant), response=dependant.response_param_name)
        for one in dependant.dependencies:
            place = self._add(one)
            if one.name is not None:
                step.inputs[one.name] = place
        sources = {
            "path": dependant.path_params,
            "query": dependant.query_params,
            "header": dependant.header_params,
        }
        for source, fields in sources.items():
            step.parameters += [parameter_of(source, one) for one in fields]
        names = (dependant.request_param_name, dependant.http_connection_param_name)
        step.request = [name for name in names if name]
        self._steps.append(step)
        self._places[dependant.call] = len(self._steps) - 1
        return len(self._steps) - 1

    def parse(self, request: Request) -> list[dict[str, Any]] | None:
        """The parameters of each step; None if one of them is wrong."""
        query = request.query_params if request.scope["query_string"] else {}
        given = {"path": request.path_params, "query": query, "header": request.headers}
        try:
            return [
                {one.name: one.parse(given[one.source]) for one in step.parameters} for step in self._steps
            ]
        except (LookupError, ValueError):
            return None

    async def run(self, request: Request, given: list[dict[str, Any]]) -> Response | Answer:
        """Calls the dependencies and the endpoint. Raises what they raise."""
        response = NoResponse() if self._needs_response else None
        results: list[Any] = []
        for step, values in zip(self._steps, given, strict=True):
            for name, place in step.inputs.items():
                values[name] = results[place]
            for name in step.request:
                values[name] = request
            if step.response:
                values[step.response] = response
            results.append(await step.call(**values))
        if isinstance(results[-1], Response):
            return results[-1]
        body = self._serialise(results[-1])
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        if response is None:
            return self._status, headers, body
        return response.status_code or self._status, headers + response.raw_headers, body

    def _serialise(self, result: Any) -> bytes:
        value, errors = self._model.validate(result, {}, loc=("response",))
        if errors:
            raise ResponseValidationError(errors, body=result)
        exclude_none = self.route.response_model_exclude_none
        body: bytes = self._model.serialize_json(value, exclude_none=exclude_none)
        return body


def plan_of(route: BaseRoute) -> Plan | None:
    """None if it has to be FastAPI who calls it, or a class of routes with a handler of its own."""
    try:
        return Plan(route) if type(route) is APIRoute and _answers_with_a_model(route) else None
    except Unplanned:
        return None


def _answers_with_a_model(route: APIRoute) -> bool:
    unusual = (
        route.response_model_include,
        route.response_model_exclude,
        route.response_model_exclude_unset,
        route.response_model_exclude_defaults,
        not route.response_model_by_alias,
        route.stream_item_field,
        route.body_field,
        route.max_body_size,
        not isinstance(route.response_class, DefaultPlaceholder),
    )
    return route.response_field is not None and not any(unusual)


def _planned(dependant: Dependant) -> Callable[..., Any]:
    call = dependant.call
    unusual = (
        dependant.cookie_params,
        dependant.body_params,
        dependant.websocket_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.concurrency,
    )
    asynchronous = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(call, "__call__", None)  # noqa: B004 - of an instance, such as OAuth2PasswordBearer
    )
    if call is None or not asynchronous or any(unusual):
        raise Unplanned
    return call


class NoResponse(Response):
    """Where endpoints set headers, and a status if they must."""

    def __init__(self) -> None:
        self.status_code = 0
        self.raw_headers = []
