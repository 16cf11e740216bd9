"""FastAPI sends a route or dependency that is a plain `def` to a thread; none of ours is one."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from stack.catalogue import services

NAMES = [service.package for service in services().values() if service.name != "gateway"]


def routers(package: str) -> list[APIRouter]:
    routes = import_module(f"{package}.routes")
    return getattr(routes, "ROUTERS", None) or [routes.router]


def calls(dependant: Any) -> Iterator[Any]:
    if dependant.call is not None:
        yield dependant.call
    for inner in dependant.dependencies:
        yield from calls(inner)


def runs_on_the_loop(call: Any) -> bool:
    return any(
        inspect.iscoroutinefunction(form) or inspect.isasyncgenfunction(form)
        for form in (call, getattr(call, "__call__", None))  # noqa: B004 - its kind is asked for
    )


@pytest.mark.parametrize("package", NAMES)
def test_every_route_and_dependency_runs_on_the_loop(package: str) -> None:
    found = {
        call
        for router in routers(package)
        for route in router.routes
        if isinstance(route, APIRoute)
        for call in calls(route.dependant)
    }
    assert len(found) > 1
    assert {call for call in found if not runs_on_the_loop(call)} == set()
