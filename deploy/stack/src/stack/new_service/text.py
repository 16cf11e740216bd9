"""Puts text into a file at a place that a pattern describes."""

import re

from stack.catalogue import Service
from stack.exceptions import StackFailed


def after(text: str, pattern: str, addition: str) -> str:
    """After the last match of `pattern`. Raises StackFailed if there is none."""
    matches = list(re.finditer(pattern, text, re.MULTILINE))
    if not matches:
        raise StackFailed(f"nothing in it looks like {pattern}")
    end = matches[-1].end()
    return text[:end] + addition + text[end:]


def before(text: str, pattern: str, addition: str) -> str:
    """Before the first match of `pattern`. Raises StackFailed if there is none."""
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise StackFailed(f"nothing in it looks like {pattern}")
    return text[: match.start()] + addition + text[match.start() :]


def instead_of_items(text: str, service: Service) -> str:
    """What says `items` says the service."""
    text = text.replace("items", service.name).replace("ITEMS", service.variable)
    return text.replace("8002", str(service.port)).replace("9002", str(service.metrics_port))
