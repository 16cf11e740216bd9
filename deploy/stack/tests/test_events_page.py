"""docs/events.md and docs/asyncapi.json say what the events' classes say, and the examples fit them."""

import json

import jsonschema_rs
import pytest

from stack.events_page import DOCUMENT, EXAMPLES, PAGE, document, facts, page, payload

FACTS = {f"{fact.kind}.{fact.version}": fact for told in facts().values() for fact in told}


def test_the_page_and_the_document_are_current() -> None:
    assert PAGE.read_text() == page(facts()), "run make events"
    assert json.loads(DOCUMENT.read_text()) == document(facts()), "run make events"


@pytest.mark.parametrize("name", FACTS)
def test_an_example_fits_its_schema_and_nothing_less_does(name: str) -> None:
    example = json.loads((EXAMPLES / f"{name}.json").read_text())
    schema = jsonschema_rs.validator_for(payload(FACTS[name]))
    assert schema.is_valid(example)
    for member in example:
        assert not schema.is_valid({key: value for key, value in example.items() if key != member})
    for member in example["data"]:
        data = {key: value for key, value in example["data"].items() if key != member}
        assert not schema.is_valid({**example, "data": data})
    assert not schema.is_valid({**example, "version": example["version"] + 1})


def test_every_channel_names_messages_that_exist() -> None:
    written = json.loads(DOCUMENT.read_text())
    named = {
        message["$ref"].rpartition("/")[2]
        for channel in written["channels"].values()
        for message in channel["messages"].values()
    }
    assert named == set(written["components"]["messages"]) == set(FACTS)
