"""The number of connections stays below the number of descriptors."""

import resource
from collections.abc import Iterator

import pytest

from shared.descriptors import RESERVED, SPARE, connection_cap, raise_descriptor_limit


@pytest.fixture
def soft_limit() -> Iterator[int]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, before[1]))
    yield 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_cap_leaves_descriptors_for_everything_else(soft_limit: int) -> None:
    assert connection_cap(5000) == soft_limit - RESERVED - SPARE
    assert connection_cap(100) == 100


def test_the_soft_limit_is_raised_as_far_as_needed(soft_limit: int) -> None:
    raise_descriptor_limit(100)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == soft_limit
    raise_descriptor_limit(2000)
    assert connection_cap(2000) == 2000


def test_the_hard_limit_is_kept(soft_limit: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    raise_descriptor_limit(10**12 if hard == resource.RLIM_INFINITY else hard)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= (
        10**13 if hard == resource.RLIM_INFINITY else hard
    )
