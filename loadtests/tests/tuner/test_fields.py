"""Whatever a file holds: one sentence that names the file, the field and what is allowed."""

from pathlib import Path

import pytest

from loadtests.tuner.config import load
from loadtests.tuner.fields import ConfigError

GOOD = '[app]\ncommand = "serve -w {workers} -p {port}"\n[slo]\np99 = "250ms"\n[[request]]\npath = "/"\n'
ABOVE = {
    "command": ("app", "one command in quotes"),
    "ready": ("app", "a path such as /health"),
    "env": ("app", "a table of variables"),
    "start_within": ("app", "a duration from 1ms to 600s"),
    "p99": ("slo", "a duration from 1ms to 60s"),
    "errors": ("slo", "a share from 0 to below 1"),
    "path": ("[request]", "a path that begins with /"),
    "method": ("[request]", "one word in capitals"),
    "weight": ("[request]", "a number above 0"),
    "status": ("[request]", "one status from 200 to 599"),
    "headers": ("[request]", "a table of texts"),
    "body": ("[request]", "text in quotes"),
    "cpus": ("limits", "a whole number from 1"),
    "memory": ("limits", "a size above zero"),
    "max_workers": ("limits", "a whole number from 1 to 1000"),
    "threads": ("tune", "a list of texts or numbers"),
    "reset": ("state", "one command in quotes"),
    "locustfile": ("load", "text in quotes"),
}
WRONG = [
    ("command", ["5", '["serve", "{workers}"]', "\"serve {workers} {port} 'open\""]),
    ("ready", ["4", '"health"', '"/a b"', '"http://x/"']),
    ("env", ['"A=1"', "{ A = { b = 1 } }", '{ "A=B" = "c" }']),
    ("start_within", ["90", '"0s"', '"601s"']),
    ("p99", ["250", '"0ms"', '"-5ms"', '"1.2.3ms"', '"2m"', '"1000s"', '["250ms"]']),
    ("errors", ['"1%"', "-1", "2", "nan", "true", "[1]"]),
    ("path", ["4", '"x"', '"/a b"', '"/ä"', '"/a\\nb"', '"/{int:9-1}"', '"/{int:1..9}"', '"/{Id}"']),
    ("path", ['"/{zipf:1-99999999}"', '"/{zipf:0}"', '"/{}"']),
    ("method", ["4", '"get"', '"GE T"']),
    ("weight", ["0", "-1", "nan", "inf", '"3"']),
    ("status", ['"200"', "99", "[200, 201]"]),
    ("headers", ['"a: b"', "{ a = 1 }", '{ a = "b\\r\\nc: d" }', '{ "a b" = "c" }']),
    ("body", ["4", "{ a = 1 }", '"{int:1}"']),
    ("cpus", ["0", '"2"', "1.5", "true"]),
    ("memory", ["5", '"5GB"', '"0GiB"', '"1.2.3GiB"']),
    ("max_workers", ["0", '"4"', "1000000"]),
    ("threads", ["4", '"48"', "[]", "[[1], [2]]"]),
    ("reset", ["4", '["rm"]', "\"rm 'open\""]),
    ("locustfile", ["4", '["a.py"]']),
]  # fmt: skip


def _refused(tmp_path: Path, text: str | bytes) -> str:
    file = tmp_path / "shop.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as refused:
        load(file)
    said = str(refused.value)
    assert said.startswith(f"{file}: ")
    assert "\n" not in said
    return said.removeprefix(f"{file}: ")


@pytest.mark.parametrize(("field", "values"), WRONG, ids=[field for field, _ in WRONG])
def test_a_field_of_the_wrong_kind(tmp_path: Path, field: str, values: list[str]) -> None:
    section, allowed = ABOVE[field]
    title = f"[{section}]{' 1' if section.startswith('[') else ''}"
    for value in values:
        said = _refused(tmp_path, f"[{section}]\n{field} = {value}\n")
        assert said.startswith(f"{title} {field} = ")
        assert f" must be {allowed}" in said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (GOOD, "", "it has no [app]"),
        ("[app]", "[[app]]", "[app] is written once"),
        ("[app]", "tune = [1]\n[app]", "[tune] is written once"),
        ("[[request]]", "[request]", "with two brackets"),
        ('path = "/"', "", "[[request]] 1 needs a path"),
        ("[slo]", "[slo]\n[slo]", "Cannot declare"),
        ("[slo]", '[limits]\nconnections_per_worker = 9\n[slo]', "need each other"),
        ("[slo]", "[limits]\nconnections_per_worker = 9\ndatabase_connections = 5\n[slo]", "at most data"),
        ("[slo]", "[tune]\nworkers = [1, 2]\n[slo]", "[limits] max_workers bounds them"),
        ('path = "/"', 'path = "/{id}"', "a request uses {id}, but [values] has no such list"),
        ('command = "serve -w {workers} -p {port}"', 'url = "http://127.0.0.1:99999"', "(Port out"),
        ('command = "serve -w {workers} -p {port}"', 'url = "http://[::1"', "(Invalid IPv6"),
        ('command = "serve -w {workers} -p {port}"', 'url = "http://me:word@127.0.0.1"', "Authorization"),
    ],
)  # fmt: skip
def test_a_file_that_makes_no_sense(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in GOOD
    assert said in _refused(tmp_path, GOOD.replace(before, after))


def test_bytes_that_are_no_toml(tmp_path: Path) -> None:
    assert "not UTF-8" in _refused(tmp_path, GOOD.replace("[app]", '[app]\nname = "é"').encode("latin-1"))
    assert "not UTF-8" in _refused(tmp_path, GOOD.encode("utf-16"))
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_bytes(("\ufeff" + GOOD.replace("\n", "\r\n")).encode())
    assert load(file).requests[0].path == "/"


def test_braces_that_are_no_placeholder_stay_in_a_body(tmp_path: Path) -> None:
    body = """body = '{"item": {int:1-9}, "of": { id }}'"""
    (tmp_path / "shop.toml").write_text(f"{GOOD}{body}\n")
    assert load(tmp_path / "shop.toml").requests[0].body == '{"item": {int:1-9}, "of": { id }}'
