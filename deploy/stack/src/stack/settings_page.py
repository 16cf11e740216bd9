"""Writes docs/settings.md from the settings classes: `python -m stack.settings_page`."""

import importlib
import inspect
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.settings import ServiceSettings
from stack.catalogue import ROOT, Service, services
from stack.journey.sample import SampleSettings

PAGE = ROOT / "docs" / "settings.md"
NAMES = {"int": "integer", "str": "text", "bool": "true or false", "float": "number", "Path": "path"}
OF_EACH = {"service", "port"}  # every service has its own
LIMITS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}
HEAD = """# Settings

Written by `make settings` from the settings classes; a test checks that it is current.

A service reads environment variables with its own prefix, and files in the folder that
`<PREFIX>_SECRETS_DIR` names. A file has the variable's name in lower case. A value that is missing or wrong
stops the start with one line. An empty variable counts as unset. SIGHUP reads everything again; if a value
is wrong then, the running workers keep the old ones.

## The whole system

| variable | default | value | |
|---|---|---|---|
| `ENVIRONMENT` | `development` | `development`, `production` | Docker Compose: all services at once. |
| `GATEWAY_PORT` | `8000` | integer | The published port, embedded and under Docker Compose. |
| `GATEWAY_CODE` | `compiled` | `compiled`, `interpreted` | Docker Compose: the gateway's image. |
| `FACET_FOLDER` | `.facet` | path | Embedded: data, secrets and logs. |
| `FACET_FORK_SERVER` | `true` | true or false | Embedded: starts share their imports (Linux). |
| `COMPOSE_PROFILES` | | list | `load` adds locust with its web page to Docker Compose. |
"""


def page() -> str:
    classes = [(service, _settings_class(service)) for service in services().values()]
    parts = [HEAD + _row("FACET_SAMPLE", SampleSettings.model_fields["facet_sample"])]
    parts += [_shared_section(shared, classes) for shared in _shared_classes([cls for _, cls in classes])]
    parts += [_own_section(service, cls) for service, cls in classes]
    return "\n".join(parts)


def _settings_class(service: Service) -> type[ServiceSettings]:
    """The one with the most settings: others are parts of it, for migrations and the like."""
    module = importlib.import_module(f"{service.package}.settings")
    found = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, ServiceSettings) and cls.__module__ == module.__name__
    ]
    return max(found, key=lambda cls: len(cls.model_fields))


def _shared_classes(classes: list[type[ServiceSettings]]) -> list[type[BaseModel]]:
    """The classes of `shared` with settings of their own, in the order of inheritance."""
    found: dict[type[BaseModel], None] = {}
    for cls in classes:
        for base in cls.__mro__:
            if issubclass(base, BaseModel) and base.__module__.startswith("shared.") and _own(base):
                found.setdefault(base)
    return sorted(found, key=lambda base: base is not ServiceSettings)


def _own(cls: type[BaseModel]) -> dict[str, FieldInfo]:
    declared = inspect.get_annotations(cls)
    return {name: field for name, field in cls.model_fields.items() if name in declared}


def _shared_section(shared: type[BaseModel], classes: list[tuple[Service, type[ServiceSettings]]]) -> str:
    users = [f"`{service.variable}_`" for service, cls in classes if issubclass(cls, shared)]
    which = "Every service" if shared is ServiceSettings else _heading(shared)
    own = {name: field for name, field in _own(shared).items() if name not in OF_EACH}
    rows = "".join(_row(f"…_{name.upper()}", field) for name, field in own.items())
    return f"## {which}\n\nPrefixes: {', '.join(users)}.\n\n{TABLE}{rows}"


TABLE = "| variable | default | value | |\n|---|---|---|---|\n"


def _heading(shared: type[BaseModel]) -> str:
    return (inspect.getdoc(shared) or shared.__name__).splitlines()[0].rstrip(".")


def _own_section(service: Service, cls: type[ServiceSettings]) -> str:
    own = {
        name: cls.model_fields[name]
        for base in reversed(cls.__mro__)
        if issubclass(base, BaseModel) and base.__module__ == cls.__module__
        for name in _own(base)
        if name != "service"
    }
    rows = "".join(_row(f"{service.variable}_{name.upper()}", field) for name, field in own.items())
    return f"## {service.name}\n\n{TABLE}{rows}"


def _row(variable: str, field: FieldInfo) -> str:
    text = (field.description or "").replace("|", "\\|").replace("<", "&lt;")
    return f"| `{variable}` | {_default(field)} | {_kind(field)} | {text} |\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in {"", ()}:
        return ""
    if isinstance(value, SecretStr):
        return "" if not value.get_secret_value() else "secret"
    if isinstance(value, Path):
        value = value.relative_to(ROOT) if value.is_relative_to(ROOT) else value
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(field: FieldInfo) -> str:
    limits = [
        words.format(getattr(part, name))
        for part in field.metadata
        for name, words in LIMITS.items()
        if getattr(part, name, None) is not None
    ]
    return ", ".join([_type(field.annotation), *limits])


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in {Union, UnionType}:
        return _type(next(part for part in arguments if part is not NoneType))
    if origin is Literal:
        return ", ".join(f"`{option}`" for option in arguments)
    if origin is tuple:
        return "list"
    if annotation is SecretStr:
        return "secret"
    return NAMES.get(annotation.__name__, str(annotation.__name__))


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
