"""The current time, in one place that tests can replace."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
