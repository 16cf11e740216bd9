"""Reading `services.toml`."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from stack.catalogue import services


def test_a_name_gives_the_package_and_the_prefix_of_variables() -> None:
    service = services()["ml-predict"]
    assert (service.package, service.variable) == ("ml_predict", "ML_PREDICT")


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "services.toml"
    listed.write_text('[orders]\nfolder = "services/orders"\nport = 1\nmetrics_port = 2\ndatabses = true\n')
    with pytest.raises(ValidationError, match="databses"):
        services(listed)
