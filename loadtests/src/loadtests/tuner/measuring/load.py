"""One open-loop load, in a process of its own: reads what to do as JSON, writes what happened as JSON.

Requests start on a Poisson schedule, however late the answers are, and their latency counts from the intended
start. Connections are given up after some requests, so that keep-alive pins no worker.
"""

import json
import random
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import gevent
import gevent.pool
from geventhttpclient import HTTPClient

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.requests import Request, filled, pick

_RECYCLE = 0.05  # of the requests close their connection
_TOO_MANY = 429
_SLACK = 0.1  # seconds; what is due at the very end may start a little later


@dataclass(frozen=True, slots=True)
class Load:
    """`patience` is how long an answer is waited for after the last request was due."""

    port: int
    rate: float
    seconds: float
    seed: int
    requests: list[Request]
    connections: int = 256
    patience: float = 2.0


@dataclass(slots=True)
class Result:
    """`lag` is by how much the generator itself was late, 99th percentile, in seconds."""

    latencies: dict[str, int] = field(default_factory=dict)
    due: int = 0
    started: int = 0
    errors: int = 0
    refused: int = 0  # 429: a rate limit, which says nothing about capacity
    unfinished: int = 0
    lag: float = 0.0
    cpus: float = 0.0
    elapsed: float = 0.0  # seconds until nothing was open any more
    answered_in_time: int = 0  # before the load ended


class Generator:
    def __init__(self, load: Load) -> None:
        self.load = load
        self.result = Result()
        self._latencies: list[float] = []
        self._lags: list[float] = []
        self._end = 0.0
        self._client = HTTPClient(
            "127.0.0.1",
            load.port,
            concurrency=load.connections,
            connection_timeout=load.seconds + load.patience,
            network_timeout=load.seconds + load.patience,
        )

    def run(self) -> Result:
        load, result = self.load, self.result
        source = random.Random(load.seed)  # noqa: S311 - load, not secrets
        pool = gevent.pool.Pool(load.connections)
        used = time.process_time()
        begun = due = time.perf_counter() + 0.02
        self._end = begun + load.seconds
        while (due := due + source.expovariate(load.rate)) < self._end:
            result.due += 1
            request = pick(load.requests, source)
            path, body = filled(request.path, source), filled(request.body, source)
            close = source.random() < _RECYCLE
            self._wait_until(due)
            if time.perf_counter() > self._end + _SLACK:  # all connections were taken: never sent
                continue
            result.started += 1
            pool.spawn(self._send, due, request, path, body, close)
        gevent.sleep(max(0.0, self._end - time.perf_counter()))
        result.cpus = (time.process_time() - used) / (time.perf_counter() - begun)
        pool.join(timeout=load.patience)
        result.unfinished = result.started - len(self._latencies) - result.errors
        pool.kill(block=False)
        result.elapsed = time.perf_counter() - begun
        result.lag = sorted(self._lags)[int(0.99 * len(self._lags))] if self._lags else 0.0
        result.latencies = {str(k): n for k, n in Histogram.of(self._latencies).counts.items()}
        return result

    def _wait_until(self, due: float) -> None:
        early = due - time.perf_counter()
        if early > 0:
            gevent.sleep(early)
            self._lags.append(time.perf_counter() - due)
        else:
            gevent.sleep(0)  # late: the others still get their turn

    def _send(self, due: float, request: Request, path: str, body: str, close: bool) -> None:
        headers = {"content-type": request.content_type} if body else {}
        if close:
            headers["connection"] = "close"
        try:
            answer = self._client.request(request.method, path, body.encode() or None, headers)
            answer.read()
            status = answer.status_code
        except (OSError, ValueError, gevent.Timeout, RuntimeError):
            status = 0
        self.result.refused += status == _TOO_MANY
        if status != request.status:
            self.result.errors += 1
            return
        now = time.perf_counter()
        self._latencies.append(now - due)
        self.result.answered_in_time += now <= self._end


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    load = Load(**{**given, "requests": [Request(**request) for request in given["requests"]]})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    json.dump(asdict(Generator(load).run()), sys.stdout)


if __name__ == "__main__":
    main()
