"""One open-loop load, in a process of its own: reads what to do as JSON, writes what happened as JSON.

Requests start on a schedule, however late the answers are, and their latency counts from the intended start.
"""

import gc
import json
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import gevent
from geventhttpclient import HTTPClient

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.load import RECYCLE, SLACK, TOO_MANY, Load, Result, more_files
from loadtests.tuner.measuring.requests import Filler, Request
from loadtests.tuner.measuring.schedule import schedule


class Generator:
    def __init__(self, load: Load) -> None:
        self.load, self.result = load, Result()
        source = random.Random(load.seed)  # noqa: S311 - load, not secrets
        self._filler = Filler(load.requests, load.values, source, load.count)
        self._idle: deque[HTTPClient] = deque()
        self._waiting: deque[float] = deque()
        self._latencies: list[float] = []
        self._open: set[gevent.Greenlet] = set()
        self._clients: list[HTTPClient] = []
        self._end = 0.0

    def run(self) -> Result:
        load, result = self.load, self.result
        due_times = schedule(load.rate, load.seconds, load.seed, even=load.even)
        result.due = len(due_times)
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection is a pause of the generator
        used, begun = time.process_time(), time.perf_counter() + 0.02
        self._end = begun + load.seconds
        lags = self._send_all([begun + due for due in due_times])
        gevent.sleep(max(0.0, self._end - time.perf_counter()))
        result.cpus = (time.process_time() - used) / (time.perf_counter() - begun)
        self._waiting.clear()
        gevent.joinall(list(self._open), timeout=load.patience)
        result.unfinished = result.started - len(self._latencies) - result.errors
        gevent.killall(list(self._open), block=False)
        result.elapsed = time.perf_counter() - begun
        result.lag = sorted(lags)[int(0.99 * len(lags))] if lags else 0.0
        result.latencies = {str(k): n for k, n in Histogram.of(self._latencies).counts.items()}
        return result

    def _send_all(self, due_times: Sequence[float]) -> list[float]:
        """Returns by how much each request was late through the generator's own fault."""
        lags = []
        for due in due_times:
            early = due - time.perf_counter()
            gevent.sleep(max(0.0, early))  # also when late: the others still get their turn
            now = time.perf_counter()
            if now > self._end + SLACK:
                break
            lags.append(now - due)
            self.result.sent += 1
            self._dispatch(due)
        return lags

    def _dispatch(self, due: float) -> None:
        client = self._free_client()
        if client is None:
            self._waiting.append(due)
            return
        self.result.started += 1
        greenlet = gevent.spawn(self._exchange, client, due)
        self._open.add(greenlet)
        greenlet.link(self._open.discard)

    def _free_client(self) -> HTTPClient | None:
        """Connections take turns, so that every worker keeps being asked."""
        load, made = self.load, len(self._clients)
        if made < min(load.spread, load.connections) or (not self._idle and made < load.connections):
            patience = load.seconds + load.patience
            client = HTTPClient.from_url(
                load.url, connection_timeout=patience, network_timeout=patience, concurrency=1
            )
            self._clients.append(client)
            return client
        return self._idle.popleft() if self._idle else None

    def _exchange(self, client: HTTPClient, due: float) -> None:
        while True:
            self._ask(client, due)
            if not self._waiting or time.perf_counter() > self._end:
                break
            due = self._waiting.popleft()
            self.result.started += 1
        self._idle.append(client)

    def _ask(self, client: HTTPClient, due: float) -> None:
        request, path, body, headers = self._filler.next()
        if self._filler.source.random() < RECYCLE:
            headers = {**headers, "connection": "close"}
        try:
            answer = client.request(request.method, path, body, headers)
            content = answer.read()
            status = answer.status_code
        except (OSError, ValueError, gevent.Timeout, RuntimeError):
            status, content = 0, b""
        self._count(request, status, content, due)

    def _count(self, request: Request, status: int, content: bytes, due: float) -> None:
        result = self.result
        if status != request.status or request.contains.encode() not in content:
            result.errors += 1
            result.refused += status == TOO_MANY
            result.wrong[str(status)] = result.wrong.get(str(status), 0) + 1
            return
        now = time.perf_counter()
        self._latencies.append(now - due)
        result.answered_in_time += now <= self._end


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    load = Load(**{**given, "requests": [Request(**request) for request in given["requests"]]})
    more_files()
    generator = Generator(load)
    json.dump(asdict(generator.run()), sys.stdout)


if __name__ == "__main__":
    main()
