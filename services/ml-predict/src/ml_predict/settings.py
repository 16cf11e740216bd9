"""The model server's environment, prefix `ML_PREDICT_`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import Port, RemoteIdentitySettings, ServiceSettings

CHECKOUT_MODELS = Path(__file__).parents[2] / "models"

FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class MlPredictSettings(ServiceSettings, RemoteIdentitySettings):
    """The body limit of 1 MiB leaves 1 KiB for each of 1,000 rows; nine features take about 130 bytes."""

    model_config = SettingsConfigDict(env_prefix="ML_PREDICT_")

    service: str = "ml-predict"
    port: Port = 8003

    model_repository: Path = Field(
        default=CHECKOUT_MODELS,
        validate_default=True,
        description="Folder of <name>/<version>/{model.onnx,card.json}. Unset: the one of this checkout.",
    )
    model_name: FolderName = Field(
        default="diamond-price", description="The model that answers where none is named."
    )
    model_version: FolderName | None = Field(
        default=None, description="Its version. Unset: the newest in the repository."
    )
    state_file: Path | None = Field(
        default=None,
        description="What administrators decided about versions; all workers follow it. "
        "Unset: serving.json in the repository.",
    )
    watch: bool = Field(
        default=False, description="Serve new and changed versions in the repository without being asked to."
    )
    prediction_threads: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Threads of each worker for what is not computed on the event loop. More than one rarely "
        "pays: CPUs are shared out by the number of workers.",
    )
    queue_seconds: float = Field(
        default=0.25,
        gt=0,
        le=60,
        description="Estimated work that may wait; more is refused with 503. Less than callers' patience.",
    )
    queue_deadline: float = Field(
        default=2.0, gt=0, le=60, description="Seconds for which a request may wait; then it is 503."
    )
    batch_rows: int = Field(
        default=64, ge=1, le=4096, description="Most rows that are gathered from several requests."
    )

    @field_validator("model_repository")
    @classmethod
    def _is_there(cls, folder: Path) -> Path:
        """An installed package has no checkout around it, so there the default is nowhere."""
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
        return folder
