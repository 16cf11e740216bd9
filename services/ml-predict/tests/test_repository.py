"""Which versions are served, and what a damaged file changes: nothing."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_predict.exceptions import CardDiffers, ModelFileCorrupt, ModelMissing, ModelNotFound
from ml_predict.repository import Repository
from ml_predict.serving_state import ServingState, StateFile, Traffic
from ml_predict.versions import Versions


def add(repository: Path, source: Path, name: str, version: str) -> Path:
    folder = shutil.copytree(source, repository / name / version)
    facts = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(facts | {"name": name, "version": version}))
    return folder


@pytest.fixture
def stored(folder: Path, tmp_path: Path) -> Path:
    for name, version in (("stone", "2"), ("stone", "10"), ("stone", "beta"), ("other", "1")):
        add(tmp_path, folder, name, version)
    return tmp_path


@pytest.fixture
def repository(stored: Path) -> Repository:
    made = Repository(stored)
    made.load_all()
    return made


def test_every_version_in_the_folder_is_served_and_the_newest_by_default(repository: Repository) -> None:
    served = {(model.ref.name, model.ref.version) for model in repository}
    assert served == {("stone", "2"), ("stone", "10"), ("stone", "beta"), ("other", "1")}
    assert repository.find("stone").ref.version == "10"
    assert repository.find("stone", "2").ref.version == "2"


def test_a_pinned_version_is_the_default(stored: Path) -> None:
    pinned = Repository(stored, {"stone": "2"})
    pinned.load_all()
    assert pinned.find("stone").ref.version == "2"


def test_a_pinned_version_that_is_not_there_is_named(stored: Path) -> None:
    with pytest.raises(ModelMissing, match=r"stone/3/card\.json is missing"):
        Repository(stored, {"stone": "3"}).load_all()


@pytest.mark.parametrize(("name", "version"), [("stone", "3"), ("ruby", None), ("ruby", "1"), ("..", "..")])
def test_what_is_not_there_is_not_found(repository: Repository, name: str, version: str | None) -> None:
    with pytest.raises(ModelNotFound):
        repository.find(name, version)


def test_a_version_damaged_before_a_reload_is_refused_and_the_old_one_still_answers(
    repository: Repository, stored: Path
) -> None:
    before = repository.find("stone", "10")
    path = stored / "stone" / "10" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelFileCorrupt):
        repository.load("stone", "10")
    assert repository.attempt("stone", "10", None) is None
    assert repository.find("stone", "10") is repository.find("stone") is before
    before.probe()


def test_a_damaged_version_stops_nobody_but_those_who_need_it(stored: Path) -> None:
    path = stored / "stone" / "10" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    without = Repository(stored)
    without.load_all()
    assert without.find("stone").ref.version == "2"
    assert [version for version, _ in without.refused.items()] == [("stone", "10")]
    with pytest.raises(ModelFileCorrupt):
        Repository(stored, {"stone": "10"}).load_all()


def test_a_new_version_takes_over_when_it_is_loaded(
    repository: Repository, stored: Path, folder: Path
) -> None:
    add(stored, folder, "stone", "11")
    fresh = repository.load("stone", "11")
    assert repository.find("stone").ref.version == "10"
    repository.serve(ServingState(), [fresh])
    assert repository.find("stone").ref.version == "11"


def test_a_card_in_another_models_folder_is_refused(
    repository: Repository, stored: Path, folder: Path
) -> None:
    shutil.copytree(folder, stored / "stone" / "12")
    with pytest.raises(CardDiffers, match="it is the card of diamond-price 1"):
        repository.load("stone", "12")
    assert repository.find("stone").ref.version == "10"


async def test_what_is_decided_while_a_worker_loads_its_models_is_followed(stored: Path) -> None:
    file = StateFile(stored / "serving.json")
    repository = Repository(stored)
    repository.load_all(file.read())
    file.change("stone", lambda state: state.model_copy(update={"traffic": Traffic(default="2")}))
    with ThreadPoolExecutor(1) as pool:
        await Versions(repository, file, pool, main="stone", watching=False).follow()
    assert repository.find("stone").ref.version == "2"
