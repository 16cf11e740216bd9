"""The committed model, a diamond to price, the table it came from, and the service really served."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytest_asyncio
from onnx import TensorProto, helper

from ml_predict.main import create_app
from ml_predict.model import Model
from ml_predict.rows import MAX_INSTANCES
from ml_predict.settings import MlPredictSettings
from ml_predict.wire import PredictionConnection
from ml_training.card import PriceCard
from ml_training.data import Split, clean, read_table, split
from shared.testing import LiveApp, TestIdentity, served

MEMBER = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def folder() -> Path:
    return MEMBER / "models" / "diamond-price" / "1"


@pytest.fixture(scope="session")
def card(folder: Path) -> PriceCard:
    return PriceCard.model_validate_json((folder / "card.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def model(folder: Path) -> Model:
    return Model.load(folder)


Predict = Callable[[Sequence[Any]], list[dict[str, float]]]


@pytest.fixture(scope="session")
def predict(model: Model) -> Predict:
    """What the model says of rows given as mappings, without the service."""

    def ask(rows: Sequence[Any]) -> list[dict[str, float]]:
        assert model.rows is not None
        found: list[dict[str, float]] = []
        for start in range(0, len(rows), MAX_INSTANCES):
            encoded = model.rows.encode(rows[start : start + MAX_INSTANCES])
            found += json.loads(model.renderer.render(model.predict(encoded)))["predictions"]
        return found

    return ask


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    return read_table()


@pytest.fixture(scope="session")
def parts(table: pd.DataFrame) -> Split:
    return split(clean(table).table)


@pytest.fixture(scope="session")
def settings(redis_settings: dict[str, Any], identity: TestIdentity) -> MlPredictSettings:
    return MlPredictSettings(**redis_settings, jwks_url=identity.jwks_url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live(settings: MlPredictSettings) -> AsyncIterator[LiveApp]:
    async with served(create_app(settings), protocol=PredictionConnection) as running:
        yield running


def tiny_graph(factor: float) -> bytes:
    """`y = x * factor`, float32 [N, 2]: a model whose version can be told from its answers."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy")
    constant = helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "factor"], ["y"])], "tiny", [x], [y], [constant])
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


WriteModel = Callable[..., Path]


@pytest.fixture(scope="session")
def write_model() -> WriteModel:
    """`write_model(repository, "tiny", "2", factor)` writes a version; `damaged` breaks its digest."""

    def write(repository: Path, name: str, version: str, factor: float, *, damaged: bool = False) -> Path:
        written = tiny_graph(factor)
        digest = hashlib.sha256(written).hexdigest()
        number = {"type": "number", "ge": -1000, "le": 1000, "trained_range": [0, 10]}
        card = {
            "name": name,
            "version": version,
            "artefact": {"sha256": digest, "bytes": len(written)},
            "input": "x",
            "features": [{"name": "a"} | number, {"name": "b"} | number],
            "outputs": [{"name": "y", "columns": ["first", "second"]}],
        }
        hidden = repository / name / f".{version}"
        hidden.mkdir(parents=True)
        (hidden / "model.onnx").write_bytes(written[:-1] + b"?" if damaged else written)
        (hidden / "card.json").write_text(json.dumps(card))
        return hidden.rename(repository / name / version)

    return write
