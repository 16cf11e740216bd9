"""What the commands print."""

import io
import json

from stack.terminal import Terminal, pretty, shorten


def test_a_long_command_is_neither_wrapped_nor_coloured_in_a_file() -> None:
    out = io.StringIO()
    command = "curl -s 'http://127.0.0.1:8000/items' -d '" + "[bold]:gem: " * 40 + "'"
    Terminal(out).command(command)
    assert out.getvalue() == command + "\n"


def test_an_answer_shows_its_status_its_headers_and_its_body() -> None:
    out = io.StringIO()
    Terminal(out).answer("200 OK", {"X-Total-Count": "3"}, {"id": 1})
    assert out.getvalue() == '  200 OK\n  X-Total-Count: 3\n  {"id": 1}\n'


def test_a_token_is_cut_and_a_sentence_is_not() -> None:
    sentence = "a round diamond " * 10
    shown = shorten({"token": "x" * 400, "text": sentence})
    assert shown == {"token": "x" * 24 + "… (400 characters)", "text": sentence}


def test_a_long_list_of_objects_says_how_many_are_left_out() -> None:
    assert shorten([{"id": number} for number in range(5)]) == [{"id": 0}, {"id": 1}, "… 3 more"]
    assert shorten(list(range(50))) == list(range(50))


def test_json_is_broken_where_it_does_not_fit_and_stays_json() -> None:
    value = {"items": [{"name": "n" * 60, "features": {"carat": 0.5}} for _ in range(2)], "next": None}
    shown = pretty(value)
    assert max(map(len, shown.splitlines())) <= 100
    assert json.loads(shown) == value
