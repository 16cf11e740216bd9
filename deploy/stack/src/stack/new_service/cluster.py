"""A new service in the cluster manifests: as `items` is, without its calls to ml-predict."""

import re

from stack.catalogue import Service
from stack.new_service.text import after, before, instead_of_items


def deployment(items: str, service: Service) -> str:
    """Its own manifest, from that of `items`."""
    body = items.partition("\n")[2]
    return f"# {service.name.capitalize()}.\n{instead_of_items(body, service)}"


def variables(text: str, service: Service) -> str:
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if re.match(r"  (ITEMS_(?!ML_PREDICT)|GATEWAY_ITEMS_URL)", line):
            lines.append(instead_of_items(line, service))
    return "\n".join(lines) + "\n"


def job(text: str, service: Service) -> str:
    (found,) = [part for part in text.split("---\n") if "name: items-migrate" in part]
    return f"{text.rstrip()}\n---\n{instead_of_items(found, service)}"


def policies(text: str, service: Service) -> str:
    name = service.name
    to_items = r"    - to: \[{podSelector: {matchLabels: {app: items}}}\]\n      ports: \[{port: 8002}\]\n"
    found = re.findall(to_items, text)
    text = after(text, to_items, instead_of_items("".join(found), service))
    text = after(text, r"values: \[gateway, items, ml-predict", f", {name}")
    text = after(text, r"values: \[gateway, users, items, ml-predict", f", {name}")
    text = re.sub(r"endPort: \d+", f"endPort: {service.metrics_port}", text)
    (between,) = [part for part in text.split("---\n") if "name: items-between" in part]
    own = re.sub(r"    - to: [^\n]*ml-predict[^\n]*\n      ports: [^\n]*\n", "", between)
    place = r"^apiVersion: [^\n]*\nkind: [^\n]*\nmetadata: {name: ml-predict-between"
    return before(text, place, f"{instead_of_items(own, service)}---\n")


def readme(text: str, service: Service) -> str:
    holders = f" {service.name}-database {service.name}"
    text = after(text, r"for holder in [a-z -]*?items-database items", holders)
    return after(text, r"`facet-ml-predict`", f", `facet-{service.name}`")
