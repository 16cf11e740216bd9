"""A long test in parts, so that they can be run one by one: `-m soak -k "every_answer and part07"`."""

import pytest


def parts(last: int) -> pytest.MarkDecorator:
    """Gives the test a `part`: 0 in each run, from 1 to `last` in the soak."""
    return pytest.mark.parametrize(
        "part",
        [
            pytest.param(part, id=f"part{part:02}", marks=[pytest.mark.soak] if part else [])
            for part in range(last + 1)
        ],
    )
