"""The commands of the README and of docs/models.md, as a reader pastes them, and `make dev`."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from onnx import TensorProto, helper

from shared.testing import NO_TLS
from shared.testing.waiting import eventually
from stack.catalogue import ROOT, services
from stack.dev import watched
from stack.testing import Demo

README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs/models.md").read_text()
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
FIVE = 5


@pytest.fixture(scope="module")
def demo(folder: Path, models: str) -> Iterator[Demo]:
    running = Demo(folder, FACET_SAMPLE="0", ML_PREDICT_MODEL_REPOSITORY=models)
    try:
        running.says("Where to look")
        yield running
    finally:
        running.end()


def pasted(demo: Demo) -> str:
    """What the README's commands print, in a shell that stops at the first failure."""
    (commands,) = BLOCK.findall(README)
    here = commands.replace("http://127.0.0.1:8000", demo.gateway)
    bash = shutil.which("bash") or "bash"
    shell = subprocess.run(  # noqa: S603 - these lines are what is tested
        [bash, "-euo", "pipefail", "-c", here], capture_output=True, text=True, check=False
    )
    assert shell.returncode == 0, shell.stderr
    assert shell.stderr == ""
    return shell.stdout


def test_the_commands_work_twice_on_the_readers_own_item(demo: Demo) -> None:
    first, second = pasted(demo), pasted(demo)
    assert '"email":"ada@example.com"' in first
    assert '"status":409' in second
    for printed in (first, second):
        assert printed.count('"name":"Round diamond, 0.71 ct"') >= 2  # the one read, and in the list
        assert '"estimate"' in printed


def test_one_command_shows_a_request_in_every_service_that_saw_it(demo: Demo) -> None:
    account = {"username": "ada@example.com", "password": "correct horse battery"}
    token = httpx2.post(f"{demo.gateway}/auth/token", data=account).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    listing = {"name": "seen", "price": "1.00"}
    answer = httpx2.post(f"{demo.gateway}/items", json=listing, headers=headers)
    shown = made(demo, "logs", ID=answer.headers["X-Request-ID"])
    lines = [line for line in shown.splitlines() if "path=/items" in line]
    assert {line.split()[1] for line in lines} == {"gateway", "items"}
    assert all("method=POST" in line and "status=201" in line for line in lines)


def test_one_command_makes_an_administrator(demo: Demo) -> None:
    assert "make admin EMAIL=" in demo.output
    assert "ada@example.com is an administrator now" in made(demo, "admin", EMAIL="ada@example.com")


def made(demo: Demo, target: str, **given: str) -> str:
    """What `make TARGET NAME=VALUE …` prints."""
    words = ["make", "--no-print-directory", "-o", ".venv/.services", target]
    words += [f"{name}={value}" for name, value in given.items()]
    run = subprocess.run(  # noqa: S603 - ours
        words, cwd=ROOT, env=demo.environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_setting_turns_the_sample_off(demo: Demo) -> None:
    assert "real diamonds listed" not in demo.output


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


def test_an_own_model_is_served_in_five_commands(demo: Demo, models: str, tmp_path: Path) -> None:
    """From an ONNX file to a prediction through the gateway."""
    account = {"email": "ada@example.com", "name": "Ada", "password": "correct horse battery"}
    assert httpx2.post(f"{demo.gateway}/users", json=account).status_code in {201, 409}
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
        env={**demo.environment, "ML_PREDICT_MODEL_REPOSITORY": models},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.returncode == 0, shell.stderr
    assert '{"model":{"name":"iris","version":"1"},"predictions":[{"petals":10.' in shell.stdout


def test_a_service_runs_with_reload_and_goes_back_to_the_stack(demo: Demo) -> None:
    of_the_stack = demo.process_of("master [ml-predict]")
    log = (
        demo.folder / "dev.log"
    )  # by which its processes are found: gunicorn's title hides their environment
    with log.open("w") as shown:
        dev = subprocess.Popen(
            [sys.executable, "-m", "stack.dev", "ml-predict"],
            cwd=ROOT,
            env=demo.environment,
            stdout=shown,
            stderr=subprocess.STDOUT,
        )
    try:
        demo.says("ml-predict is stopped: make dev runs it")
        eventually(lambda: ready(demo) and demo.process_of("master [ml-predict]") != of_the_stack)
        first = demo.process_of("master [ml-predict]")
        os.utime(watched(services()["ml-predict"])[0] / "ml_predict" / "routes.py")
        eventually(lambda: "changed: routes.py" in log.read_text())
        eventually(lambda: ready(demo) and demo.process_of("master [ml-predict]") != first)
    finally:
        dev.send_signal(signal.SIGINT)
        dev.wait(30)
    demo.says("ml-predict is started again")
    eventually(lambda: ready(demo))


def test_a_stack_whose_folder_is_deleted_still_stops_everything(demo: Demo) -> None:
    """The last test, because it ends the stack that the others asked."""
    shutil.rmtree(demo.folder, ignore_errors=True)
    demo.process.terminate()
    demo.status()
    eventually(lambda: demo.processes() == {})


def ready(demo: Demo) -> bool:
    """True if the model's own process answers and `process_of` can find it."""
    if not demo.processes("master [ml-predict]"):
        return False
    try:
        url = f"http://127.0.0.1:{demo.ports['ML_PREDICT_PORT']}/ready"
        return httpx2.get(url, timeout=2, trust_env=False, verify=NO_TLS).is_success
    except httpx2.TransportError:
        return False
