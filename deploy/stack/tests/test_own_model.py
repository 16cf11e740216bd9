"""The five commands of docs/models.md: from an ONNX file to a prediction through the gateway."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2
from onnx import TensorProto, helper

from stack.catalogue import ROOT
from stack.testing import Demo

GUIDE = (ROOT / "docs/models.md").read_text()
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
FIVE = 5


def write_graph(path: Path) -> None:
    """`petals`, float32 [N, 1]: the sum of four columns."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("petals", TensorProto.FLOAT, ["N", 1])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axis"], ["petals"])], "sum", [x], [y], [axis]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(made.SerializeToString())


def test_an_own_model_is_served_in_five_commands(
    start: Callable[..., Demo], new_folder: Path, tmp_path: Path
) -> None:
    models = shutil.copytree(ROOT / "services/ml-predict/models", new_folder.parent / "models")
    demo = start(new_folder, FACET_SAMPLE="0", ML_PREDICT_MODEL_REPOSITORY=str(models))
    demo.says("Where to look")
    account = {"email": "grace@example.com", "name": "Grace", "password": "correct horse battery"}
    httpx2.post(f"{demo.gateway}/users", json=account).raise_for_status()
    write_graph(tmp_path / "iris.onnx")

    (commands,) = BLOCK.findall(GUIDE)
    assert len(commands.replace("\\\n", "").strip().splitlines()) == FIVE
    here = commands.replace("http://127.0.0.1:8000", demo.gateway).replace(
        "iris.onnx", str(tmp_path / "iris.onnx")
    )
    here = here.replace("make admin", "make --no-print-directory -o .venv/.services admin")
    bash = shutil.which("bash") or "bash"
    shell = subprocess.run(  # noqa: S603 - these lines are what is tested
        [bash, "-euo", "pipefail", "-c", here],
        cwd=ROOT,
        env={**demo.environment, "ML_PREDICT_MODEL_REPOSITORY": str(models)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.returncode == 0, shell.stderr
    assert '{"model":{"name":"iris","version":"1"},"predictions":[{"petals":10.' in shell.stdout
