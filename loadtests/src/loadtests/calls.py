"""One request, its answer checked and counted under the name of its route."""

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from locust.contrib.fasthttp import FastHttpSession

from loadtests.answers import Answer, WrongAnswer

Check = Callable[[Answer], None]


class Calls:
    """Requests of one visitor. What is counted as a failure: no answer, or one that its check refuses.

    `intended` is for open-loop load: when the next request should have begun, on the clock of
    `time.perf_counter`. Its latency is counted from there, so that a wait inside the load generator or behind
    a slow answer is not left out. One that begins more than `too_late` seconds after that is a failure.
    """

    def __init__(
        self, session: FastHttpSession, intended: float | None = None, too_late: float = math.inf
    ) -> None:
        self._session = session
        self._intended = intended
        self._too_late = too_late

    def send(
        self,
        method: str,
        path: str,
        check: Check,
        *,
        route: str | None = None,
        query: Mapping[str, Any] | None = None,
        token: str | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """The answer, right or wrong; None when there was none."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        late = self._lateness()
        with self._session.request(
            method,
            f"{path}?{urlencode(query)}" if query else path,
            name=route or path,
            headers=headers,
            json=body,
            data=urlencode(form) if form is not None else None,
            allow_redirects=False,
            catch_response=True,
        ) as response:
            response.request_meta["response_time"] += late
            if response.status_code == 0:
                return None  # locust counts the error that it met
            answer, wrong = _judge(response, check)
            if late > self._too_late * 1000:
                wrong = wrong or "sent too late: every user was busy"
            if wrong is None:
                response.success()
            else:
                response.failure(wrong)
            return answer

    def _lateness(self) -> float:
        """Milliseconds; only an action's first request has an intended start, the others follow it."""
        if self._intended is None:
            return 0.0
        late = max(0.0, time.perf_counter() - self._intended) * 1000
        self._intended = None
        return late


def _judge(response: Any, check: Check) -> tuple[Answer, str | None]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    try:
        body = json.loads(response.content) if response.content else None
    except ValueError:
        body = None
    answer = Answer(response.status_code, headers, body)
    try:
        check(answer)
    except WrongAnswer as wrong:
        return answer, str(wrong)
    return answer, None
