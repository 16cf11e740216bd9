"""One parameter of a route's signature: whether it can be planned (see `shared.plan`), and its value."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from starlette.datastructures import Headers

SCALARS: Final = frozenset({str, int, float, bool})


class Unplanned(Exception):
    """The signature has something that only FastAPI can do."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value of the path or the query, or all lines of a header; a model takes the whole query."""

    name: str
    source: str
    alias: str
    model: bool
    field: Any
    required: bool
    default: Any

    def parse(self, given: Mapping[str, Any]) -> Any:
        """Raises LookupError or ValueError where FastAPI has to say what is wrong."""
        if isinstance(given, Headers):
            value: Any = given.getlist(self.alias) or None
        else:
            value = dict(given) if self.model else given.get(self.alias)
        if value is None:
            if self.required:
                raise LookupError(self.alias)
            return deepcopy(self.default)
        value, errors = self.field.validate(value, {}, loc=())
        if errors:
            raise ValueError(self.alias)
        return value


def parameter_of(source: str, given: Any) -> Parameter:
    """Raises Unplanned."""
    info = given.field_info
    model = isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
    if source == "header":
        usual = not model and _strings(info)
    else:
        usual = _plain_model(info.annotation) if model else _scalar(info)
    if not usual:
        raise Unplanned
    required = info.is_required()
    default = None if required else given.default
    return Parameter(given.name, source, given.alias, model, given, required, default)


def _scalar(info: Any) -> bool:
    """A `str`, `int` and the like, or none of it; lists and aliases have rules of their own."""
    optional = get_origin(info.annotation) in {Union, UnionType}
    kinds = set(get_args(info.annotation) if optional else [info.annotation]) - {type(None)}
    return len(kinds) == 1 and kinds <= SCALARS and info.validation_alias in {None, info.alias}


def _strings(info: Any) -> bool:
    """All lines of a header as they came, or none of it: `list[str] | None`."""
    kinds = set(get_args(info.annotation)) - {type(None)}
    return len(kinds) == 1 and all(
        get_origin(kind) is list and _unannotated(get_args(kind)[0]) is str for kind in kinds
    )


def _unannotated(kind: Any) -> Any:
    return kind.__origin__ if get_origin(kind) is Annotated else kind


def _plain_model(model: type[BaseModel]) -> bool:
    """True if each field takes one value of its own name, and other names are ignored or refused."""
    return model.model_config.get("extra") != "allow" and not any(
        one.alias or one.validation_alias or _is_list(one.annotation) for one in model.model_fields.values()
    )


def _is_list(annotation: Any) -> bool:
    kinds = [annotation, *get_args(annotation)]
    return any((get_origin(kind) or kind) in {list, set, tuple, frozenset} for kind in kinds)
