"""A start that is refused says why in one line; any other failure keeps its stack."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from shared.app import build_app
from shared.exceptions import CannotStart
from shared.testing import served


def failing(settings: Any, error: Exception) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
        raise error
        yield {}

    return build_app(settings, title="Sample", lifespan=lifespan)


async def events(settings: Any, error: Exception, lines: Callable[[], list[dict[str, Any]]]) -> str:
    with pytest.raises(RuntimeError, match="lifespan failed"):
        async with served(failing(settings, error)):
            pytest.fail("served all the same")
    return "\n".join(line["event"] for line in lines() if line["level"] == "error")


async def test_a_refusal_is_its_message(
    sample_settings: Callable[..., Any], log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    shown = await events(sample_settings(), CannotStart("the model's digest is wrong"), log_lines)
    assert "the model's digest is wrong" in shown
    assert "Traceback" not in shown


async def test_any_other_failure_keeps_its_stack(
    sample_settings: Callable[..., Any], log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    assert "Traceback" in await events(sample_settings(), LookupError("no model"), log_lines)
