"""The graph says what the regressor says, or is not given out."""

import numpy as np
import pytest

from ml_training.data import SEED, Split, arrays
from ml_training.fit import ConversionDiffers, Recipe, convert, fit, largest_difference

SMALL = Recipe(n_estimators=5)


def test_a_graph_of_another_regressor_is_noticed(parts: Split) -> None:
    features, prices = arrays(parts.train.head(2000))
    fitted = fit(SMALL, features, prices, SEED)
    other = fit(SMALL, features, prices * 1.01, SEED)
    assert largest_difference(fitted, convert(fitted, "small"), features) < 1e-5
    with pytest.raises(ConversionDiffers, match=r"differ by 0\.01 log USD"):
        largest_difference(fitted, convert(other, "small"), features)


def test_a_difference_that_is_no_number_is_noticed_too(parts: Split) -> None:
    features, prices = arrays(parts.train.head(500))
    fitted = fit(SMALL, features, prices, SEED)
    onnx = convert(fitted, "small")
    fitted.init_.constant_ = np.full_like(fitted.init_.constant_, np.nan)
    with pytest.raises(ConversionDiffers, match="nan"):
        largest_difference(fitted, onnx, features)
