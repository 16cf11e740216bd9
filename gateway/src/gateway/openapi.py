"""One OpenAPI document for all services: what the route table lets through, and how to get in."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import orjson

from gateway.route_table import Route, RouteTable
from shared.at_most_every import AtMostEvery
from shared.logging import get_logger

Document = dict[str, Any]
Documents = dict[str, Document | None]  # by upstream; None where there was no answer
PAUSE = 1.0  # seconds
SCHEMAS = "#/components/schemas/"
SCHEMA_REF = re.compile(f"^{SCHEMAS}(.+)$")
API_KEY: Document = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
log = get_logger()


class Documentation:
    """The merged document. Upstreams are asked at most once a second, however often it is read."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._upstreams: Mapping[str, str] = {}
        self._routes = RouteTable(routes=())
        self._client = client
        self._fetched = AtMostEvery(PAUSE, self._fetch_all)
        self._merged_from: Documents | None = None
        self._merged = b""

    def describe(self, upstreams: Mapping[str, str], routes: RouteTable) -> None:
        """Of these upstreams, by name, the document has what `routes` lets through."""
        self._upstreams, self._routes = upstreams, routes
        self._merged_from = None

    async def read(self, own: Document) -> bytes:
        """As JSON."""
        fetched = await self._fetched()
        if fetched is not self._merged_from:
            self._merged = orjson.dumps(merged_openapi(own, fetched, self._routes))
            self._merged_from = fetched
        return self._merged

    async def _fetch_all(self) -> Documents:
        fetched = await asyncio.gather(*(_fetch(self._client, url) for url in self._upstreams.values()))
        return dict(zip(self._upstreams, fetched, strict=True))


def merged_openapi(own: Document, fetched: Documents, routes: RouteTable) -> Document:
    """`own` with the routed operations of every upstream that answered; the others are named in it."""
    missing = [name for name, document in fetched.items() if document is None]
    merged: Document = {**own, "paths": dict(own["paths"])}
    components = merged["components"] = {"schemas": {}, "securitySchemes": {"ApiKey": API_KEY}}
    components["schemas"].update(own.get("components", {}).get("schemas", {}))
    for name, document in fetched.items():
        if document is not None:
            _merge(merged, name, document, routes)
    components["schemas"] = _used(merged["paths"], components["schemas"])
    if missing:
        said = own["info"].get("description", "")
        merged["info"] = {
            **own["info"],
            "description": f"{said}\n\nNot answering now: {', '.join(missing)}.".strip(),
        }
    return merged


async def _fetch(client: httpx2.AsyncClient, url: str) -> Document | None:
    try:
        response = await client.get(f"{url}/openapi.json")
        response.raise_for_status()
        document: Document = response.json()
        if not isinstance(document.get("paths"), dict):
            raise TypeError("no OpenAPI document")  # noqa: TRY301 - as wrong as one that is no JSON
    except (httpx2.HTTPError, ValueError, TypeError, AttributeError) as error:
        log.warning("openapi_not_fetched", url=url, reason=repr(error))
        return None
    return document


def _merge(merged: Document, name: str, document: Document, routes: RouteTable) -> None:
    """Schemas whose name another service uses for something else get the service's name before theirs."""
    schemas: Document = document.get("components", {}).get("schemas", {})
    taken: Document = merged["components"]["schemas"]
    renamed = _renames(name, schemas, taken)
    for schema, definition in schemas.items():
        taken[renamed.get(schema, schema)] = _with_refs(definition, renamed)
    security = document.get("components", {}).get("securitySchemes", {})
    merged["components"]["securitySchemes"].update(security)
    for path, method, operation, route in _routed(name, document, routes):
        entry = {**_with_refs(operation, renamed), "tags": [name]}
        entry["operationId"] = f"{name}_{operation.get('operationId', method + path)}"
        entry.pop("security", None)
        if route.auth != "public":
            nobody: list[Document] = [{}] if route.auth == "optional" else []
            entry["security"] = [*nobody, *({scheme: []} for scheme in security), {"ApiKey": []}]
        merged["paths"].setdefault(path, {})[method] = entry


def _renames(name: str, schemas: Document, taken: Document) -> dict[str, str]:
    """New names for schemas that differ from the taken ones, be it only in what they refer to."""
    renamed: dict[str, str] = {}
    while more := {
        schema: f"{name}-{schema}"
        for schema, definition in schemas.items()
        if schema not in renamed and schema in taken and taken[schema] != _with_refs(definition, renamed)
    }:
        renamed |= more
    return renamed


def _routed(name: str, document: Document, routes: RouteTable) -> Iterator[tuple[str, str, Document, Route]]:
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            route = routes.match(method.upper(), path)
            if route is not None and route.upstream == name:
                yield path, method, operation, route


def _with_refs(node: Any, renamed: Mapping[str, str]) -> Any:
    """Also where a reference is no `$ref`: in a discriminator's mapping."""
    if isinstance(node, dict):
        return {key: _with_refs(value, renamed) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_refs(entry, renamed) for entry in node]
    if isinstance(node, str) and (match := SCHEMA_REF.match(node)):
        return SCHEMAS + renamed.get(match[1], match[1])
    return node


def _used(paths: Document, schemas: Document) -> Document:
    """The schemas that routed operations refer to; those of private operations are nobody's business."""
    found: set[str] = set()
    left: list[Any] = [paths]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            left += node.values()
        elif isinstance(node, list):
            left += node
        elif isinstance(node, str) and (match := SCHEMA_REF.match(node)) and match[1] not in found:
            found.add(match[1])
            left.append(schemas.get(match[1]))
    return {name: definition for name, definition in schemas.items() if name in found}
