"""`make migration`: a new migration from the difference between tables and migrations."""

import shutil
from pathlib import Path

import pytest

from stack.catalogue import ROOT, services
from stack.exceptions import StackFailed
from stack.migration import write_migration

FOLDER = ROOT / "services/users/src/users/migrations"


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A copy without the newest migration, so that the tables have something that no migration makes."""
    copied = tmp_path / "migrations"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns("__pycache__"))
    max((copied / "versions").glob("*.py")).unlink()
    return copied


def test_the_difference_is_written_under_the_next_number(migrations: Path) -> None:
    newest = max((FOLDER / "versions").glob("*.py"))
    written = write_migration(services()["users"], "Bring it back", migrations)
    number = newest.name.partition("_")[0]
    assert written.name == f"{number}_bring_it_back.py"
    text = written.read_text()
    assert text.startswith('"""Bring it back"""')
    assert f'down_revision = "{int(number) - 1:04}"' in text
    assert "op." in text.partition("def upgrade")[2]
    compile(text, str(written), "exec")


def test_without_a_difference_no_file_is_written(tmp_path: Path) -> None:
    copied = tmp_path / "migrations"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns("__pycache__"))
    before = set(copied.rglob("*.py"))
    with pytest.raises(StackFailed, match="no change in tables"):
        write_migration(services()["users"], "Nothing", copied)
    assert set(copied.rglob("*.py")) == before


def test_a_service_without_a_database_is_refused() -> None:
    with pytest.raises(StackFailed, match="ml-predict owns no database"):
        write_migration(services()["ml-predict"], "Nothing")


@pytest.mark.parametrize("name", [name for name, service in services().items() if service.database])
def test_every_service_with_a_database_has_the_same_template(name: str) -> None:
    service = services()[name]
    template = ROOT / service.folder / "src" / service.package / "migrations" / "script.py.mako"
    assert template.read_text() == (FOLDER / "script.py.mako").read_text()
