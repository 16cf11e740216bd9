"""The model card for people, written from the same facts as the one for machines."""

import math

from ml_predict.card import Feature
from ml_training.card import PriceCard


def document(card: PriceCard) -> str:
    """Markdown; every figure comes from `card`."""
    sections = (_summary, _features, _quality, _interval, _data, _limits, _remake)
    return "\n\n".join(section(card) for section in sections) + "\n"


def _summary(card: PriceCard) -> str:
    artefact = card.artefact
    opsets = ", ".join(f"{domain} {opset}" for domain, opset in artefact.opsets.items())
    return f"""# {card.name} {card.version}

Estimates the price of a round diamond in USD, with a {card.interval.level:.0%} interval.
Made to show a model behind a service with real figures; nobody should insure or sell a stone by it.

- {artefact.framework}
- {artefact.trees} trees with {artefact.nodes:,} nodes; ONNX opsets {opsets}
- `{artefact.file}`: {artefact.bytes:,} bytes, SHA-256 `{artefact.sha256}`
- Input `features`: float32 [N, {len(card.features)}]
- Output `prices`: float64 [N, 3], estimate, low and high in USD; the graph holds the interval's widths
- Output `log_usd`: float32 [N, 1], the natural logarithm of the estimate, as the trees give it"""


def _features(card: PriceCard) -> str:
    rows = "\n".join(
        f"| {number} | {feature.name} | {feature.unit} | {_values(feature)} |"
        for number, feature in enumerate(card.features)
    )
    return f"""## Features, in order

A grade is encoded as its position, worst first, from 0.

| # | name | unit | grades, or range seen in training |
|---|---|---|---|
{rows}"""


def _values(feature: Feature) -> str:
    if feature.trained_range is None:
        return " < ".join(feature.categories or ())
    return f"{feature.trained_range[0]:g} to {feature.trained_range[1]:g}"


def _quality(card: PriceCard) -> str:
    metrics, artefact = card.metrics, card.artefact
    return f"""## Quality

On {metrics.n:,} held-out rows, prices in USD:

| R2 | mean absolute error | mean absolute percentage error | inside the {card.interval.level:.0%} interval |
|---|---|---|---|
| {metrics.r2:.4f} | {metrics.mae_usd:.0f} USD | {metrics.mape:.1%} | {metrics.coverage:.1%} |

ONNX and scikit-learn differ by at most {artefact.largest_difference_log_usd:.1e} log USD on these rows
(more than {artefact.tolerance_log_usd:.0e} would have stopped the build)."""


def _interval(card: PriceCard) -> str:
    interval, metrics = card.interval, card.metrics
    grades = "\n".join(
        f"| {grade} | {math.exp(width):.3f} | {interval.calibration_rows[grade]:,} "
        f"| {metrics.coverage_by_clarity[grade]:.1%} |"
        for grade, width in interval.half_widths.items()
    )
    bands = "\n".join(f"| {band} | {share:.1%} |" for band, share in metrics.coverage_by_carat.items())
    return f"""## Interval

{interval.method}.
Source: {interval.source}.

From estimate / factor to estimate * factor:

| clarity | factor | calibration rows | held-out coverage |
|---|---|---|---|
{grades}

The level is meant within a clarity grade, as exactly as its few or many calibration rows allow. It is not
promised by weight; measured:

| carat | held-out coverage |
|---|---|
{bands}"""


def _data(card: PriceCard) -> str:
    data = card.data
    relisted = f"{data.relisted_price_ratio_median - 1:.1%}"
    return f"""## Data

{data.source}.
{data.rows_read:,} rows; SHA-256 of the table as CSV `{data.sha256}`.

- Dropped: {data.dropped_duplicates} exact repetitions of another row.
- Dropped: {data.dropped_zero_dimension} rows with a dimension of zero, {data.dropped_out_of_bounds} with one
  no diamond has (31.8 and 58.9 mm). The rule is the service's own: a row it refuses to price teaches nothing.
- Kept: {data.kept:,} rows, with {data.kept_depth_contradicts_dimensions} whose depth contradicts
  2z / (x + y) by more than one point. Such slips reach a service too, so they count in all figures here.
- The kept rows show {data.stones:,} different stones by weight, colour, clarity and dimensions. The others
  look like stones listed again, often with length and width swapped, another cut grade and another price
  (in the median {relisted} apart). All rows of a stone are on one side of the split.
- Train {data.train:,}, calibration {data.calibration:,}, held out {data.held_out:,} rows,
  by a hash of the stone (seed {card.seed})."""


def _limits(card: PriceCard) -> str:
    carat = next(feature.trained_range for feature in card.features if feature.name == "carat")
    heaviest = f"{carat[1] if carat else 0:g} ct"
    return f"""## Limits

- Trees do not extrapolate: a stone above {heaviest} is priced like one of {heaviest}, and its interval is
  worth nothing.
- When and where these prices were asked is not documented (tidyverse/ggplot2, issue 6870): take them as
  prices of that table, not of a market.
- The estimate is the exponential of an expected logarithm: nearer to the median price than to the mean.
- Fluorescence, certificate and seller are not in the table."""


def _remake(card: PriceCard) -> str:
    recipe = ", ".join(f"{name} {value:g}" for name, value in card.recipe.items())
    libraries = ", ".join(f"{name} {version}" for name, version in card.libraries.items())
    return f"""## Making it again

`python -m ml_training` with the extra `train` gives the same bytes under the same versions on the
same kind of processor, and refuses to write a model that is worse than it should be.

- Recipe: {recipe}; seed {card.seed}
- Made with {libraries}"""
