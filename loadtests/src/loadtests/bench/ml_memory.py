"""`make bench-ml ARGS=--memory`: what workers of our model server take, shared memory counted in parts."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Final, NamedTuple

import psutil

from loadtests.bench import environment
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.ml_start import Starter
from loadtests.bench.ml_tasks import MODELS
from loadtests.bench.rig import Rig, choose_cores

WORKERS: Final = (1, 2, 4)
MIB: Final = 2**20
LAYERS: Final = 12  # of 16 MiB each
LARGE: Final = """
import sys
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
path, layers = sys.argv[1], int(sys.argv[2])
width, draw = 2048, np.random.default_rng(7)
names = ["x", *(f"h{number}" for number in range(layers - 1)), "y"]
matrices = [draw.standard_normal((width, width), np.float32) / 45 for _ in range(layers)]
weights = [numpy_helper.from_array(matrix, f"w{number}") for number, matrix in enumerate(matrices)]
nodes = [helper.make_node("MatMul", [names[n], f"w{n}"], [names[n + 1]]) for n in range(layers)]
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name in "xy"]
graph = helper.make_graph(nodes, "large", ends[:1], ends[1:], weights)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
"""


class Taken(NamedTuple):
    """Means of the workers, in MiB: the proportional set size, and what is no other process's."""

    models: str
    workers: int
    proportional: float
    own: float


def worker_memory() -> list[Taken]:
    """The models of the checkout, and a large one whose weights are in its graph or in a file beside it.

    Raises BenchFailed.
    """
    with Rig(choose_cores()) as rig:
        surroundings = Starter().surroundings(rig)
        repositories = {"the checkout's models": MODELS, **_large(rig.folder)}
        return [
            _taken(rig, models, count, surroundings | {"ML_PREDICT_MODEL_REPOSITORY": str(folder)})
            for models, folder in repositories.items()
            for count in WORKERS
        ]


def table(found: list[Taken]) -> str:
    lines = [f"{'MiB a worker':<36}  workers  proportional   own"]
    lines += [f"{it.models:<36}  {it.workers:>7}  {it.proportional:>12.0f}  {it.own:>4.0f}" for it in found]
    return "\n".join(lines)


def _large(folder: Path) -> dict[str, Path]:
    file = folder / "large.onnx"
    _python("-c", LARGE, str(file), str(LAYERS))
    title, size = "weights in the graph", file.stat().st_size / MIB
    repositories = {f"{size:.0f} MiB, {title}": [], f"{size:.0f} MiB, --share-weights": ["--share-weights"]}
    made = {}
    for number, (models, options) in enumerate(repositories.items()):
        made[models] = folder / f"models-{number}"
        adding = ("-m", "ml_predict.add", str(file), "--name", "large", "--repository", str(made[models]))
        _python(*adding, *options)
    return made


def _taken(rig: Rig, models: str, count: int, given: Mapping[str, str]) -> Taken:
    """Raises BenchFailed."""
    name = f"{models} {count}".replace("/", " ")
    main = "large" if "large" in _names(Path(given["ML_PREDICT_MODEL_REPOSITORY"])) else "diamond-price"
    settings = dict(given) | {"ML_PREDICT_WORKERS": str(count), "ML_PREDICT_MODEL_NAME": main}
    command = [str(environment.our_python()), "-m", "ml_predict"]

    def ready() -> bool:
        return rig.log(name).read_text().count("Application startup complete") >= count

    rig.start(name, command, core=f"{rig.cores.server},{rig.cores.load}", ready=ready, environment=settings)
    workers = psutil.Process(rig.pid(name)).children()
    if len(workers) != count:
        raise BenchFailed(f"{len(workers)} workers run, not {count}")
    sizes = [worker.memory_full_info() for worker in workers]
    rig.stop(name)
    return Taken(models, count, mean(it.pss for it in sizes) / MIB, mean(it.uss for it in sizes) / MIB)


def _names(repository: Path) -> list[str]:
    return [folder.name for folder in repository.iterdir()]


def _python(*arguments: str) -> None:
    """Raises BenchFailed."""
    done = subprocess.run(  # noqa: S603 - our own programs
        [str(environment.our_python()), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchFailed(f"the large model was not made: {done.stderr.strip()[-300:]}")
