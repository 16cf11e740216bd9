"""One request, its answer checked and counted under the name of its route."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from locust.contrib.fasthttp import FastHttpSession

from loadtests.answers import Answer, WrongAnswer

Check = Callable[[Answer], None]


class Calls:
    """Requests of one visitor. What is counted as a failure: no answer, or one that its check refuses."""

    def __init__(self, session: FastHttpSession) -> None:
        self._session = session

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
            if response.status_code == 0:
                return None  # locust counts the error that it met
            answer, wrong = _judge(response, check)
            if wrong is None:
                response.success()
            else:
                response.failure(wrong)
            return answer


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
