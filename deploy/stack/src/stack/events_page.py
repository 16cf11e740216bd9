"""Writes docs/events.md and docs/asyncapi.json from the events' classes: `python -m stack.events_page`."""

import importlib
import importlib.util
import inspect
import json
from collections.abc import Mapping
from typing import Any

from shared.events import Event, Fact
from stack.catalogue import ROOT, services

PAGE = ROOT / "docs" / "events.md"
DOCUMENT = ROOT / "docs" / "asyncapi.json"
EXAMPLES = ROOT / "tests" / "contracts" / "events"
HEAD = """# Events

Written by `make events` from the events' classes; a test checks that it is current.
[asyncapi.json](asyncapi.json) says the same as AsyncAPI 3.0. How they get from one service to another, and
what may go wrong, is in [decision 0016](decisions/0016-facts-through-an-outbox.md).

Every event has an `id`, its `kind` and `version`, a `sequence` that grows with each event about one subject,
`occurred_at`, the `request_id` of the request that caused it, and `data`. It may come twice and out of order.
A member may be added to `data` without a new version, so ignore those that you do not know. Never guess at a
version that you do not know.
"""

Facts = Mapping[str, list[type[Fact]]]


def facts() -> Facts:
    """By service: what it tells."""
    return {name: found for name, service in services().items() if (found := _facts_of(service.package))}


def _facts_of(package: str) -> list[type[Fact]]:
    if importlib.util.find_spec(f"{package}.events") is None:
        return []
    module = importlib.import_module(f"{package}.events")
    classes = [cls for _, cls in inspect.getmembers(module, inspect.isclass)]
    own = [cls for cls in classes if issubclass(cls, Fact) and hasattr(cls, "kind")]
    return sorted(own, key=lambda fact: (fact.kind, fact.version))


def document(found: Facts) -> dict[str, Any]:
    """AsyncAPI 3.0: a channel for each service that tells something."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Facet: events between services", "version": "1.0.0"},
        "defaultContentType": "application/json",
        "channels": {service: _channel(service, told) for service, told in found.items()},
        "operations": {
            _sender(service): {"action": "send", "channel": {"$ref": f"#/channels/{service}"}}
            for service in found
        },
        "components": {"messages": {_name(fact): _message(fact) for told in found.values() for fact in told}},
    }


def _sender(service: str) -> str:
    """The process that sends: a service without a relay does it itself."""
    relay = f"{service}-relay"
    return relay if relay in services()[service].processes else service


def _channel(service: str, told: list[type[Fact]]) -> dict[str, Any]:
    return {
        "address": f"events:{service}",
        "description": f"A Redis stream. The field `event` of each entry is JSON. Sent by `{service}`.",
        "messages": {_name(fact): {"$ref": f"#/components/messages/{_name(fact)}"} for fact in told},
    }


def _message(fact: type[Fact]) -> dict[str, Any]:
    return {
        "name": fact.kind,
        "summary": _summary(fact),
        "payload": payload(fact),
        "examples": [{"payload": json.loads((EXAMPLES / f"{_name(fact)}.json").read_text())}],
    }


def payload(fact: type[Fact]) -> dict[str, Any]:
    """The JSON schema of a whole event."""
    schema = Event.model_json_schema(mode="serialization")
    schema["properties"]["kind"]["const"] = fact.kind
    schema["properties"]["version"]["const"] = fact.version
    schema["properties"]["data"] = fact.model_json_schema(mode="serialization")
    return schema


def _name(fact: type[Fact]) -> str:
    return f"{fact.kind}.{fact.version}"


def _summary(fact: type[Fact]) -> str:
    return " ".join((inspect.getdoc(fact) or "").split())


def page(found: Facts) -> str:
    parts = [HEAD]
    for service, told in found.items():
        parts.append(f"## events:{service}\n\n| kind | version | members of `data` | |\n|---|---|---|---|")
        parts[-1] += "".join(f"\n{_row(fact)}" for fact in told) + "\n"
    return "\n".join(parts)


def _row(fact: type[Fact]) -> str:
    members = ", ".join(f"`{name}`" for name in fact.model_fields)
    kind = f"[`{fact.kind}`](../tests/contracts/events/{_name(fact)}.json)"
    return f"| {kind} | {fact.version} | {members} | {_summary(fact)} |"


def main() -> None:
    found = facts()
    PAGE.write_text(page(found))
    DOCUMENT.write_text(json.dumps(document(found), indent=2) + "\n")


if __name__ == "__main__":
    main()
