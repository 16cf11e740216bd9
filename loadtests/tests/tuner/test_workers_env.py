"""The file of worker counts: what changes is said, the rest stays, the evidence is named."""

from pathlib import Path

from loadtests.tuner.workers_env import changes, write

BEFORE = "# Counts.\nGATEWAY_WORKERS=2\nUSERS_WORKERS=1\n\nML_PREDICT_WORKERS=1\n"


def test_only_the_counts_that_were_found_change(tmp_path: Path) -> None:
    path = tmp_path / "workers.env"
    path.write_text(BEFORE)
    write(path, {"ml-predict": 3, "users": 1}, "0123456789ab")
    assert path.read_text() == (
        "# Counts.\nGATEWAY_WORKERS=2\nUSERS_WORKERS=1\n\nML_PREDICT_WORKERS=3\n"
        "# Found by facet-tune, evidence 0123456789ab (ml-predict, users)\n"
    )
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_run_replaces_the_evidence_of_the_same_services_only(tmp_path: Path) -> None:
    path = tmp_path / "workers.env"
    path.write_text(BEFORE)
    write(path, {"users": 2}, "aaaaaaaaaaaa")
    write(path, {"gateway": 1}, "bbbbbbbbbbbb")
    write(path, {"users": 3}, "cccccccccccc")
    evidence = [line for line in path.read_text().splitlines() if "evidence" in line]
    assert evidence == [
        "# Found by facet-tune, evidence bbbbbbbbbbbb (gateway)",
        "# Found by facet-tune, evidence cccccccccccc (users)",
    ]


def test_changes_are_said_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "workers.env"
    path.write_text(BEFORE)
    assert changes(path, {"gateway": 2, "users": 3, "items": 2}) == [
        "USERS_WORKERS: 1 becomes 3",
        "ITEMS_WORKERS: unset becomes 2",
    ]
    assert path.read_text() == BEFORE


def test_a_lone_application_gets_web_concurrency_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "new.env"
    write(path, {"app": 4}, "0123456789ab")
    assert path.read_text().splitlines()[0] == "WEB_CONCURRENCY=4"
