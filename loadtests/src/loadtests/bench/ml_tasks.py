"""The models that servers are asked for, their rows, and what ONNX Runtime itself answers."""

import json
import random
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final

from loadtests.bench import environment
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.model_servers import Task
from loadtests.diamonds import load_diamonds

MODELS: Final = environment.ROOT / "services/ml-predict/models"
OUTPUTS: Final = {"diamond-price": "prices", "digits": "probabilities"}
OUTPUT_SHAPES: Final = {"diamond-price": (3, "FP64"), "digits": (10, "FP32")}
DIFFERENT: Final = 64  # requests in turn
BRIGHTEST: Final = 16
SEED: Final = 7
PROGRAM: Final = """
import json, sys
import numpy as np
import onnxruntime as ort
path, name, output, row = sys.argv[1:]
rows = np.array([json.loads(row)], np.float32)
print(json.dumps(ort.InferenceSession(path).run([output], {name: rows})[0][0].tolist()))
"""

BARE: Final = """
import json, sys, time
import numpy as np
import onnxruntime as ort
path, name, output, seconds = sys.argv[1:]
rows = np.array(json.load(sys.stdin), np.float32)
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
feeds = [{name: part} for part in rows]
for seconds in (0.3, float(seconds)):
    calls, start = 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds:
        session.run([output], feeds[calls % len(feeds)])
        calls += 1
print(calls * rows.shape[1] / taken)
"""


def _task(name: str) -> Task:
    card = json.loads((MODELS / name / "1" / "card.json").read_text())
    features = card["features"]

    def row(instance: Mapping[str, Any]) -> list[float]:
        found: list[float] = []
        for feature in features:
            value = instance[feature["name"]]
            if feature["type"] == "category":
                value = feature["categories"].index(value)
            found += value if isinstance(value, list) else [value]
        return found

    columns = sum(feature.get("size", 1) for feature in features)
    return Task(name, MODELS / name / "1" / "model.onnx", card["input"], row, columns, *OUTPUT_SHAPES[name])


TASKS: Final = {name: _task(name) for name in OUTPUTS}


def instances(task: Task, count: int) -> list[Mapping[str, Any]]:
    """Named features, the same ones for every server."""
    if task.name == "digits":
        draw = random.Random(SEED)  # noqa: S311 - images, not secrets
        return [{"pixels": [draw.randint(0, BRIGHTEST) for _ in range(64)]} for _ in range(count)]
    diamonds = [diamond.features for diamond in load_diamonds()]
    return [diamonds[place % len(diamonds)] for place in range(count)]


def bare(task: Task, rows: int, seconds: float, core: int) -> float:
    """Rows a second of ONNX Runtime alone, in a loop on `core`, of as many different rows as servers get.

    The same row again and again would be faster: a tree's branches are then foreseen. Raises BenchFailed.
    """
    chosen = [task.row(instance) for instance in instances(task, DIFFERENT * rows)]
    calls = [chosen[start : start + rows] for start in range(0, len(chosen), rows)]
    given = [str(task.model), task.input, OUTPUTS[task.name], str(seconds)]
    pinned = ["taskset", "--cpu-list", str(core)]
    return float(_run(BARE, *given, prefix=pinned, text=json.dumps(calls)))


def expected(task: Task, instance: Mapping[str, Any]) -> list[float]:
    """The model's own answer for one row. Raises BenchFailed."""
    row = json.dumps(task.row(instance))
    found: list[float] = json.loads(_run(PROGRAM, str(task.model), task.input, OUTPUTS[task.name], row))
    return found


def _run(program: str, *arguments: str, prefix: Sequence[str] = (), text: str = "") -> str:
    command = [*prefix, str(environment.our_python()), "-c", program, *arguments]
    done = subprocess.run(  # noqa: S603 - our own program
        command, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchFailed(f"ONNX Runtime alone failed: {done.stderr.strip()[-300:]}")
    return done.stdout
