"""The environment, and what is said when it is wrong."""

from pathlib import Path

import pytest

from ml_predict.settings import MlPredictSettings
from shared.settings import load_settings

NEEDED = {
    "ML_PREDICT_REDIS_URL": "unix:///nowhere",
    "ML_PREDICT_REDIS_PASSWORD": "secret",
    "ML_PREDICT_JWKS_URL": "http://127.0.0.1:1/keys",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_the_checkouts_own_models_are_served_unless_told_otherwise(folder: Path) -> None:
    settings = load_settings(MlPredictSettings)
    assert settings.model_repository == folder.parents[1]
    assert (settings.model_name, settings.model_version) == ("diamond-price", None)
    assert (settings.service, settings.port, settings.prediction_threads) == ("ml-predict", 8003, 1)


def test_a_repository_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ML_PREDICT_MODEL_REPOSITORY", str(tmp_path / "none"))
    with pytest.raises(SystemExit, match=r"ML_PREDICT_MODEL_REPOSITORY: .*there is no folder .*/none"):
        load_settings(MlPredictSettings)


def test_without_a_checkout_around_it_the_repository_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    field = MlPredictSettings.model_fields["model_repository"]
    monkeypatch.setattr(field, "default", Path("/usr/lib/models"))
    MlPredictSettings.model_rebuild(force=True)
    try:
        with pytest.raises(SystemExit, match=r"ML_PREDICT_MODEL_REPOSITORY: .*there is no folder"):
            load_settings(MlPredictSettings)
    finally:
        monkeypatch.undo()
        MlPredictSettings.model_rebuild(force=True)


@pytest.mark.parametrize("name", ["..", "../other", "a/b", "/etc", ".hidden"])
@pytest.mark.parametrize("which", ["ML_PREDICT_MODEL_NAME", "ML_PREDICT_MODEL_VERSION"])
def test_a_model_cannot_be_outside_its_repository(
    monkeypatch: pytest.MonkeyPatch, which: str, name: str
) -> None:
    monkeypatch.setenv(which, name)
    with pytest.raises(SystemExit, match=which):
        load_settings(MlPredictSettings)


@pytest.mark.parametrize("threads", ["0", "65", "many"])
def test_the_pool_is_bounded(monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("ML_PREDICT_PREDICTION_THREADS", threads)
    with pytest.raises(SystemExit, match="ML_PREDICT_PREDICTION_THREADS"):
        load_settings(MlPredictSettings)
