"""docs/settings.md says what the settings classes say."""

import re

from stack.catalogue import ROOT, services
from stack.settings_page import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run make settings"


def test_a_row_has_the_default_the_values_and_the_meaning() -> None:
    rows = page().splitlines()
    assert "| `ITEMS_BODY_LIMIT` | `65536` | integer, ≥ 1 | Largest request body, bytes. |" in rows
    assert any(row.startswith("| `USERS_SIGNING_KEY` | required | secret |") for row in rows)
    assert any(row.startswith("| `USERS_MAIL` |  | `off`, `console`, `smtp` |") for row in rows)


def test_every_variable_that_compose_sets_is_a_setting() -> None:
    known = set(re.findall(r"`([A-Z_]+)`", page()))
    for service in services().values():
        known |= {f"{service.variable}_{name}" for name in re.findall(r"`…_([A-Z_]+)`", page())}
        known.add(f"{service.variable}_SECRETS_DIR")
    given = re.findall(r"^ +([A-Z_]+): ", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    ours = {name for name in given if not name.startswith(("POSTGRES_", "PGDATA", "LOADTESTS_"))}
    assert len(ours) > 20
    assert ours - known == set()
