"""Fitting the trees and turning them into an ONNX graph that answers alike.

scikit-learn and skl2onnx are imported where they are used: that takes a second, which others need not spend.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ml_predict.rows import Float32s
from ml_predict.session import open_session
from ml_training.features import FEATURES

if TYPE_CHECKING:
    from sklearn.ensemble import GradientBoostingRegressor

Float64s = NDArray[np.float64]

OPSETS: Final = {"": 17, "ai.onnx.ml": 3}
TOLERANCE: Final = 1e-5
"""Largest difference allowed between ONNX and scikit-learn, in log USD: ten cents on 10,000 USD."""


class ConversionDiffers(Exception):
    """The ONNX graph does not say what scikit-learn says."""


@dataclass(frozen=True)
class Recipe:
    """Gradient boosting (Friedman 2001) with row sampling (Friedman 2002), on the log of the price.

    Chosen within the training split alone; more or deeper trees gained at most 0.0003 of R2.
    """

    n_estimators: int = 300
    max_depth: int = 6
    learning_rate: float = 0.08
    subsample: float = 0.7
    max_features: int = 5
    min_samples_leaf: int = 10

    def facts(self) -> dict[str, float | int]:
        """As the card states them."""
        return asdict(self)


def fit(recipe: Recipe, features: Float32s, prices: Float64s, seed: int) -> "GradientBoostingRegressor":
    """Fit on encoded features, shape [N, 9], and prices in USD, shape [N]; one thread keeps sums in order."""
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 - see the module

    regressor = GradientBoostingRegressor(**recipe.facts(), random_state=seed)
    return regressor.fit(features, np.log(prices))


def convert(regressor: "GradientBoostingRegressor", name: str) -> bytes:
    """The graph `features` [N, 9] float32 -> `log_usd` [N, 1] float32; nothing in it tells the time."""
    from skl2onnx import to_onnx  # noqa: PLC0415 - see the module
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415 - see the module

    model: Any = to_onnx(
        regressor,
        initial_types=[("features", FloatTensorType([None, len(FEATURES)]))],
        target_opset=OPSETS,
        name=name,
    )
    _rename_output(model.graph, "log_usd")
    onnx: bytes = model.SerializeToString(deterministic=True)
    return onnx


def largest_difference(regressor: "GradientBoostingRegressor", onnx: bytes, features: Float32s) -> float:
    """Between the two runtimes, in log USD; raises `ConversionDiffers` above `TOLERANCE`."""
    difference = float(np.abs(log_usd(open_session(onnx), features) - regressor.predict(features)).max())
    if not difference <= TOLERANCE:
        raise ConversionDiffers(
            f"ONNX and scikit-learn differ by {difference:.2g} log USD, allowed {TOLERANCE:.0e}"
        )
    return difference


def log_usd(session: ort.InferenceSession, encoded: Float32s) -> Float64s:
    """The graph's answer, shape [N], in natural log of USD."""
    (output,) = session.run(["log_usd"], {"features": encoded})
    flat: Float64s = output[:, 0].astype(np.float64)
    return flat


def count_nodes(regressor: "GradientBoostingRegressor") -> int:
    """Nodes of all trees, leaves included."""
    return sum(int(tree.tree_.node_count) for tree in regressor.estimators_[:, 0])


def _rename_output(graph: Any, name: str) -> None:
    (output,) = graph.output
    for node in graph.node:
        node.output[:] = [name if each == output.name else each for each in node.output]
    output.name = name
