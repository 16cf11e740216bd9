"""The parts of the model servers' bench that need no server of others."""

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtests.bench.ml import main
from loadtests.bench.ml_memory import Taken, table
from loadtests.bench.model_servers import SERVERS, Task
from loadtests.bench.plot import bars
from loadtests.bench.posts import write_posts

TASK = Task("diamond-price", Path("model.onnx"), "features", lambda row: [float(row["a"]), 2.5])


def test_a_body_of_any_bytes_survives_the_script(tmp_path: Path) -> None:
    body = bytes(range(256)) + b'"]==]\\\n'
    write_posts(tmp_path / "posts.lua", [body], {})
    written = re.search(r'"((?:[^"])*)"', (tmp_path / "posts.lua").read_text())
    assert written is not None
    parts = re.findall(r"\\(\d{3})|(.)", written[1])
    assert bytes(int(number) if number else ord(letter) for number, letter in parts) == body


def test_a_binary_request_says_how_long_its_json_is_and_holds_the_rows() -> None:
    server = SERVERS["facet-binary"]
    body = server.body(TASK, [{"a": 1}, {"a": 3}])
    (length,) = server.headers(body).values()
    assert body[: int(length)].endswith(b"}}")
    assert struct.unpack("<4f", body[int(length) :]) == (1.0, 2.5, 3.0, 2.5)


def test_a_binary_answer_is_read_like_one_in_json() -> None:
    server = SERVERS["facet-binary"]
    head = b'{"outputs": [{"name": "prices", "datatype": "FP64", "parameters": {"binary_data_size": 16}}]}'
    assert server.first(server.read(head + struct.pack("<2d", 1.5, 2.5))) == [1.5, 2.5]


def test_the_picture_has_a_bar_for_each_server(tmp_path: Path) -> None:
    results = [
        {"title": title, "requests_per_second": rate} for title, rate in (("<Other>", 10.0), ("Facet", 40.0))
    ]
    case = {"model": "digits", "rows": 1, "connections": 32, "share": 0.0, "results": results}
    bars(tmp_path / "bench.svg", {"cases": [case]})
    drawn = ElementTree.fromstring((tmp_path / "bench.svg").read_text())  # noqa: S314 - ours
    widths = [float(bar.attrib["width"]) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert widths[0] == 4 * widths[1]


def test_an_unknown_server_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--servers", "torchserve"])
    assert "invalid choice: 'torchserve'" in capsys.readouterr().err


def test_the_memory_of_workers_is_a_line_for_each_number_of_them() -> None:
    shown = table([Taken("large", 1, 310.4, 290.0), Taken("large", 4, 130.6, 80.0)]).splitlines()
    assert [line.split() for line in shown[1:]] == [["large", "1", "310", "290"], ["large", "4", "131", "80"]]
