"""What wrk prints, read; captured from wrk 4.1.0."""

from unittest.mock import patch

import pytest

from loadtests.bench import wrk
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.wrk import parse

GOOD = """\
Running 3s test @ http://127.0.0.1:9912/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   172.89us  417.30us  15.71ms   98.12%
    Req/Sec    73.89k    10.18k   90.29k    56.67%
  Latency Distribution
     50%  124.00us
     75%  173.00us
     90%  223.00us
     99%    1.44ms
  220171 requests in 3.00s, 8.40MB read
{errors}Requests/sec:  73381.65
Transfer/sec:      2.80MB
"""


def test_rate_and_latencies_are_read_in_their_units() -> None:
    sample = parse(GOOD.format(errors=""))
    assert (sample.rate, sample.requests, sample.failed) == (73381.65, 220171, 0)
    assert (sample.p50, sample.p99) == pytest.approx((0.124, 1.44))


def test_answers_that_are_errors_count_as_failed() -> None:
    assert parse(GOOD.format(errors="  Non-2xx or 3xx responses: 2660\n")).failed == 2660


def test_all_kinds_of_socket_errors_count_as_failed() -> None:
    errors = "  Socket errors: connect 1, read 15, write 2, timeout 4\n  Non-2xx or 3xx responses: 3\n"
    assert parse(GOOD.format(errors=errors)).failed == 25


def test_seconds_and_minutes_are_milliseconds_too() -> None:
    slow = GOOD.replace("124.00us", "  1.20s").replace("1.44ms", "1.50m").format(errors="")
    assert (parse(slow).p50, parse(slow).p99) == pytest.approx((1200, 90_000))


@pytest.mark.parametrize(
    "output",
    [
        "",
        "unable to connect to 127.0.0.1:1 Connection refused\n",
        GOOD.format(errors="").split("Latency D")[0],
    ],
)
def test_anything_else_is_refused(output: str) -> None:
    with pytest.raises(ValueError, match="not the output"):
        parse(output)


def test_a_server_that_answers_nothing_has_no_rate() -> None:
    silent = GOOD.replace("220171 requests", "0 requests").replace("73381.65", "0.00").format(errors="")
    with (
        patch.object(wrk, "_output", return_value=silent),
        pytest.raises(BenchFailed, match=r"no request to .* was answered"),
    ):
        wrk.run("http://127.0.0.1:1/", seconds=1, connections=1, core=0)
