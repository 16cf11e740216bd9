"""The models that servers are asked for, their rows, and what ONNX Runtime itself answers."""

import json
import random
import subprocess
from collections.abc import Mapping
from typing import Any, Final

from loadtests.bench import environment
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.model_servers import Task
from loadtests.diamonds import load_diamonds

MODELS: Final = environment.ROOT / "services/ml-predict/models"
OUTPUTS: Final = {"diamond-price": "prices", "digits": "probabilities"}
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

    return Task(name, MODELS / name / "1" / "model.onnx", card["input"], row)


TASKS: Final = {name: _task(name) for name in OUTPUTS}


def instances(task: Task, count: int) -> list[Mapping[str, Any]]:
    """Named features, the same ones for every server."""
    if task.name == "digits":
        draw = random.Random(SEED)  # noqa: S311 - images, not secrets
        return [{"pixels": [draw.randint(0, BRIGHTEST) for _ in range(64)]} for _ in range(count)]
    diamonds = [diamond.features for diamond in load_diamonds()]
    return [diamonds[place % len(diamonds)] for place in range(count)]


def expected(task: Task, instance: Mapping[str, Any]) -> list[float]:
    """The model's own answer for one row. Raises BenchFailed."""
    python, row = str(environment.our_python()), json.dumps(task.row(instance))
    command = [python, "-c", PROGRAM, str(task.model), task.input, OUTPUTS[task.name], row]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode:
        raise BenchFailed(f"{task.name} cannot be run: {done.stderr.strip()[-300:]}")
    found: list[float] = json.loads(done.stdout)
    return found
