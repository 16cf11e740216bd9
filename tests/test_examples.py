"""Every field of a request body has an example in the documentation, or says all its values itself."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from stack.catalogue import services

NAMES = [service.package for service in services().values() if service.name != "gateway"]
SPEAKS_FOR_ITSELF = {"examples", "example", "enum", "const"}
PLAIN = {"boolean", "null"}


def document(package: str) -> dict[str, Any]:
    routes = import_module(f"{package}.routes")
    routers: list[APIRouter] = getattr(routes, "ROUTERS", None) or [routes.router]
    found = [route for router in routers for route in router.routes]
    return get_openapi(title=package, version="1", routes=found)


def bodies(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in described["paths"].values():
        for operation in methods.values():
            yield from operation.get("requestBody", {}).get("content", {}).values()


def without_example(schema: dict[str, Any], described: dict[str, Any], path: str) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from without_example(described["components"]["schemas"][name], described, path)
    elif SPEAKS_FOR_ITSELF & schema.keys() or schema.get("type") in PLAIN:
        return
    elif "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from without_example(inner, described, f"{path}.{name}")
    elif forms := [inner for kind in ("anyOf", "oneOf", "allOf") for inner in schema.get(kind, [])]:
        lacking = [list(without_example(form, described, path)) for form in forms]
        if all(lacking[: len([form for form in forms if form.get("type") != "null"])]):
            yield path
    elif schema.get("type") == "array":
        yield from without_example(schema["items"], described, f"{path}[]")
    else:
        yield path


@pytest.mark.parametrize("package", NAMES)
def test_every_field_of_a_request_has_an_example(package: str) -> None:
    described = document(package)
    lacking = {
        name
        for content in bodies(described)
        if not SPEAKS_FOR_ITSELF & content.keys()
        for name in without_example(content["schema"], described, "body")
    }
    assert lacking == set()
