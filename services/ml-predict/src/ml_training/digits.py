"""The second model: an ensemble of small networks that read handwritten digits.

scikit-learn is imported where it is used, as in `fit`.
"""

import hashlib
import platform
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ml_predict.card import Artefact, Feature, ModelCard, Output
from ml_predict.session import open_session

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier

NAME: Final = "digits"
VERSION: Final = "1"
PIXELS: Final = 64
CLASSES: Final = 10
BRIGHTEST: Final = 16.0
SEED: Final = 20261124
HELD_OUT: Final = 360
MINIMUM_ACCURACY: Final = 0.965
TOLERANCE: Final = 1e-5
LIBRARIES: Final = ("numpy", "onnx", "onnxruntime", "scikit-learn")
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class DigitsTooWeak(Exception):
    """The trained ensemble misses the least quality it may be published with."""


@dataclass(frozen=True)
class Recipe:
    """A deep ensemble (Lakshminarayanan et al. 2017): equal networks that differ in where they start.

    Many small networks, because nodes so small cost nearly the same for one row and for many: a batch of 32
    takes less than twice as long as a single row.
    """

    members: int = 600
    hidden: int = 16
    iterations: int = 25
    batch: int = 100
    learning_rate: float = 0.01


def train(recipe: Recipe, images: Floats, labels: Labels) -> "list[MLPClassifier]":
    """Equal seeds and one thread give equal weights."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - see the module

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # stopped early on purpose: the members should differ
        return [_trained(recipe, images, labels, SEED + number) for number in range(recipe.members)]


def _trained(recipe: Recipe, images: Floats, labels: Labels, seed: int) -> "MLPClassifier":
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - see the module

    return MLPClassifier(
        hidden_layer_sizes=(recipe.hidden,),
        max_iter=recipe.iterations,
        batch_size=recipe.batch,
        learning_rate_init=recipe.learning_rate,
        random_state=seed,
    ).fit(images, labels)


def convert(members: "Sequence[MLPClassifier]") -> bytes:
    """`pixels` [N, 64] float32 -> `probabilities` [N, 10] float32 and `digit` [N] int64."""
    graph = _Graph()
    scaled = graph.node("Mul", "pixels", graph.constant("scale", np.float32(1 / BRIGHTEST)))
    answers = [_member(graph, scaled, number, member) for number, member in enumerate(members)]
    graph.node("Mean", *answers, output="probabilities")
    graph.node("ArgMax", "probabilities", output="digit", axis=1, keepdims=0)
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, CLASSES]),
        helper.make_tensor_value_info("digit", TensorProto.INT64, [None]),
    ]
    made = helper.make_graph(
        graph.nodes,
        NAME,
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [None, PIXELS])],
        outputs,
        graph.constants,
    )
    model: Any = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx: bytes = model.SerializeToString(deterministic=True)
    return onnx


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        made = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [made], **attributes))
        return made


def _member(graph: _Graph, pixels: str, number: int, member: "MLPClassifier") -> str:
    layer = pixels
    for depth, (weights, biases) in enumerate(zip(member.coefs_, member.intercepts_, strict=True)):
        if depth:
            layer = graph.node("Relu", layer)
        names = [f"{number}/{depth}/{kind}" for kind in ("weights", "biases")]
        layer = graph.node("Gemm", layer, *map(graph.constant, names, (weights, biases)))
    return graph.node("Softmax", layer, axis=1)


def build(recipe: Recipe | None = None, minimum: float = MINIMUM_ACCURACY) -> tuple[bytes, ModelCard]:
    """Equal recipes give equal bytes. Raises DigitsTooWeak rather than return a weak model."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - see the module

    chosen = recipe or Recipe()
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(labels))
    held_out, train_rows = order[:HELD_OUT], order[HELD_OUT:]
    members = train(chosen, images[train_rows] / BRIGHTEST, labels[train_rows])
    onnx = convert(members)
    metrics = _measure(members, onnx, images[held_out], labels[held_out])
    if not (metrics["accuracy"] >= minimum and metrics["largest_difference"] <= TOLERANCE):
        raise DigitsTooWeak(f"accuracy and difference are {metrics}")
    return onnx, _card(chosen, onnx, images, metrics)


def _measure(
    members: "Sequence[MLPClassifier]", onnx: bytes, images: Floats, labels: Labels
) -> dict[str, Any]:
    """On held-out images; `largest_difference` is between the graph and scikit-learn, in probability."""
    run = open_session(onnx).run
    probabilities, digits = run(None, {"pixels": images.astype(np.float32)})
    expected = np.mean([member.predict_proba(images / BRIGHTEST) for member in members], axis=0)
    confidence = probabilities[np.arange(len(labels)), labels]
    return {
        "n": len(labels),
        "accuracy": round(float((digits == labels).mean()), 6),
        "log_loss": round(float(-np.log(confidence).mean()), 6),
        "largest_difference": round(float(np.abs(probabilities - expected).max()), 9),
    }


def _card(recipe: Recipe, onnx: bytes, images: Floats, metrics: dict[str, Any]) -> ModelCard:
    pixels = Feature(
        name="pixels",
        type="number",
        size=PIXELS,
        description="Brightness of 8 by 8 pixels, row by row",
        ge=0,
        le=BRIGHTEST,
        trained_range=(float(np.min(images)), float(np.max(images))),
    )
    return ModelCard.model_validate(
        {
            "name": NAME,
            "version": VERSION,
            "artefact": Artefact(sha256=hashlib.sha256(onnx).hexdigest(), bytes=len(onnx)),
            "input": "pixels",
            "features": (pixels,),
            "outputs": (
                Output(name="digit", description="The likeliest digit"),
                Output(name="probabilities", description="Of the digits 0 to 9", decimals=6),
            ),
            "metrics": metrics,
            "data": {
                "source": "sklearn.datasets.load_digits: 1,797 handwritten digits (UCI, test set)",
                "held_out": HELD_OUT,
            },
            "recipe": asdict(recipe),
            "seed": SEED,
            "libraries": {"python": platform.python_version()} | {each: version(each) for each in LIBRARIES},
        }
    )
