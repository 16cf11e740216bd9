"""Weights beside their graph: the same answers, and one copy in memory for all processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from ml_predict.add import main
from ml_predict.exceptions import ModelFileCorrupt, ModelMissing
from ml_predict.model import Model
from ml_predict.repository import Repository
from ml_predict.serving_state import ServingState

WIDTH = 2048
SIZE = WIDTH * WIDTH * 4
SMAPS = Path("/proc/self/smaps")
HOLDER = """
import json, sys
from pathlib import Path
from ml_predict.model import Model

def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))

folder = Path(sys.argv[1])
small = Model.load(Path(sys.argv[2]))
small.warm_up()
before = anonymous()
model = Model.load(folder)
model.warm_up()
grown = anonymous() - before
print("warm", flush=True)
sys.stdin.readline()
mapped = {"Rss": 0, "Pss": 0, "Anonymous": 0}
ours = False
for line in open("/proc/self/smaps"):
    name, _, rest = line.partition(":")
    if "-" in name:
        ours = line.rstrip().endswith("model.onnx.data")
    elif ours and name in mapped:
        mapped[name] += int(rest.split()[0])
print(json.dumps(mapped | {"grown": grown}), flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph of one matrix of 16 MiB."""
    matrix = np.random.default_rng(7).standard_normal((WIDTH, WIDTH), np.float32)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", WIDTH]) for name in "xy"]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(matrix, "w")])
    path = tmp_path_factory.mktemp("exported") / "wide.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def folder(tmp_path: Path, file: Path) -> Path:
    return added(tmp_path, file, "--share-weights")


def added(tmp_path: Path, file: Path, *options: str) -> Path:
    version = str(len(options))
    given = [str(file), "--name", "wide", "--version", version, "--repository", str(tmp_path)]
    assert main([*given, *options]) == 0
    return tmp_path / "wide" / version


def test_they_leave_the_graph_and_change_no_answer(tmp_path: Path, file: Path, folder: Path) -> None:
    assert (folder / "model.onnx").stat().st_size < SIZE / 100
    assert (folder / "model.onnx.data").stat().st_size >= SIZE
    apart, whole = Model.load(folder), Model.load(added(tmp_path, file))
    rows = {"x": np.random.default_rng(1).standard_normal((3, WIDTH), np.float32)}
    assert np.allclose(apart.run(rows), whole.run(rows), rtol=1e-4, atol=1e-3)


def test_a_graph_that_was_exported_with_its_weights_beside_it_is_taken(tmp_path: Path, folder: Path) -> None:
    again = added(tmp_path / "again", folder / "model.onnx", "--share-weights")
    assert (again / "model.onnx.data").stat().st_size >= SIZE


def test_one_flipped_bit_is_refused(folder: Path) -> None:
    with (folder / "model.onnx.data").open("r+b") as data:
        data.seek(SIZE // 2)
        data.write(b"?")
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx\.data is corrupt: its SHA-256 is"):
        Model.load(folder)


def test_half_written_weights_are_tried_again_when_they_are_complete(folder: Path) -> None:
    data = folder / "model.onnx.data"
    complete = data.read_bytes()
    data.write_bytes(complete[: SIZE // 2])
    repository = Repository(folder.parents[1])
    repository.load_all()
    assert repository.stale(ServingState(), watching=True) == []
    data.write_bytes(complete)
    assert repository.stale(ServingState(), watching=True) == [("wide", folder.name, None)]


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "model.onnx.data").unlink()
    with pytest.raises(ModelMissing, match=r"model\.onnx\.data is missing"):
        Model.load(folder)


def test_weights_that_the_card_does_not_name_are_refused(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    del card["weights"]
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx is corrupt"):
        Model.load(folder)


def test_a_model_without_large_tensors_has_nothing_to_share(
    tmp_path: Path, write_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    small = write_model(tmp_path, "tiny", "1", 2.0) / "model.onnx"
    assert main([str(small), "--name", "tiny", "--repository", str(tmp_path / "to"), "--share-weights"]) == 1
    assert "nothing to share" in capsys.readouterr().err


@pytest.mark.skipif(not SMAPS.exists(), reason="memory is counted as Linux shows it")
def test_two_processes_hold_one_copy(tmp_path: Path, folder: Path, write_model: Any) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder), str(write_model(tmp_path, "tiny", "1", 2.0))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:  # noqa: S603 - ours
        both = [(each, each.stdin, each.stdout) for each in (one, other)]
        assert [out.readline() for _, _, out in both] == ["warm\n", "warm\n"]
        for _, into, _ in both:
            into.write("\n")
            into.flush()
        found = [json.loads(out.readline()) for _, _, out in both]
        for _, into, _ in both:
            into.close()
    for each in found:
        assert each["Anonymous"] == 0  # no page was copied
        assert each["Rss"] * 1024 >= SIZE
        assert each["Pss"] <= 0.55 * each["Rss"]
        assert each["grown"] * 1024 < SIZE / 2  # and there is no second, rearranged copy
