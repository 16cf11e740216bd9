"""What a model computed, as the JSON that callers of `POST /predict` read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from numpy.typing import NDArray

from ml_predict.card import ModelCard, Output

Array = NDArray[Any]


class Renderer:
    """Prepared for one model: only the numbers differ from answer to answer."""

    def __init__(self, card: ModelCard) -> None:
        ref = orjson.dumps({"name": card.name, "version": card.version})
        self._start = b'{"model":' + ref + b',"predictions":'
        self._columns = [_columns(output) for output in card.outputs]

    def render(self, outputs: list[Array], explanations: Sequence[Mapping[str, Any]] = ()) -> bytes:
        """One prediction a row, in the order of the rows; with explanations, one of them for each."""
        parts = [columns(array) for columns, array in zip(self._columns, outputs, strict=True)]
        rows = parts[0] if len(parts) == 1 else [_merged(row) for row in zip(*parts, strict=True)]
        for row, explanation in zip(rows, explanations, strict=False):
            row["explanation"] = explanation
        return self._start + orjson.dumps(rows) + b"}"


def by_canary(answer: bytes) -> bytes:
    """The same answer, which says that it is not the default version's."""
    return b'{"canary":true,' + answer[1:]


def _columns(output: Output) -> Callable[[Array], list[dict[str, Any]]]:
    """From an array to one dict a row."""
    names, decimals = output.columns, output.decimals

    def columns(array: Array) -> list[dict[str, Any]]:
        rows = (array if decimals is None else array.round(decimals)).tolist()
        if names is None:
            return [{output.name: row[0] if isinstance(row, list) and len(row) == 1 else row} for row in rows]
        return [dict(zip(names, row, strict=True)) for row in rows]

    return columns


def _merged(parts: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}
