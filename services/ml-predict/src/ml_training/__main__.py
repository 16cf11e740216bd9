"""`python -m ml_training`: rebuild the models, their cards and the sample of held-out diamonds."""

import argparse
import sys
from pathlib import Path

from ml_training import digits
from ml_training.build import ModelTooWeak, build
from ml_training.data import read_table, sample
from ml_training.files import write_version
from ml_training.fit import ConversionDiffers
from ml_training.measure import CalibrationTooSmall

MEMBER = Path(__file__).parents[2]
DEPLOY = MEMBER.parents[1] / "deploy"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one line when the model is not good enough to be written."""
    parser = argparse.ArgumentParser(prog="python -m ml_training", description=__doc__)
    parser.add_argument("--repository", type=Path, default=MEMBER / "models", help="model repository")
    parser.add_argument("--sample", type=Path, default=DEPLOY / "diamonds.csv", help="held-out rows as CSV")
    options = parser.parse_args(arguments)
    try:
        built = build(read_table())
        network, card = digits.build()
    except (ModelTooWeak, ConversionDiffers, CalibrationTooSmall, digits.DigitsTooWeak) as error:
        sys.stderr.write(f"nothing written: {error}\n")
        return 1
    folder = built.write(options.repository)
    sample(built.held_out).to_csv(options.sample, index=False, lineterminator="\n")
    metrics = built.card.metrics
    sys.stdout.write(
        f"{folder}: {built.card.artefact.bytes:,} bytes, R2 {metrics.r2:.4f}, MAE {metrics.mae_usd:.0f} USD, "
        f"MAPE {metrics.mape:.1%}, coverage {metrics.coverage:.1%}\n"
    )
    folder = write_version(options.repository, network, card)
    sys.stdout.write(f"{folder}: {card.artefact.bytes:,} bytes, accuracy {card.metrics['accuracy']:.1%}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
