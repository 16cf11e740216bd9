"""A person's account: signing up, logging in, and an access token that is always fresh."""

import secrets
import time
from functools import partial
from http import HTTPStatus

from loadtests.answers import Answer, is_account, is_tokens
from loadtests.calls import Calls

MARGIN = 0.2  # the part of a token's life that is left when it is renewed


class Account:
    """Has a token once `sign_in` succeeded. Email and password are random."""

    def __init__(self) -> None:
        self._email = f"load-{secrets.token_hex(8)}@example.com"
        self._password = secrets.token_urlsafe(16)
        self._exists = False
        self._access: str | None = None
        self._refresh: str | None = None
        self._renew_at = 0.0

    def sign_up(self, calls: Calls) -> None:
        body = {"email": self._email, "name": "A visitor under load", "password": self._password}
        answer = calls.send("POST", "/users", partial(is_account, email=self._email), body=body)
        self._exists = answer is not None and answer.status == HTTPStatus.CREATED

    def log_in(self, calls: Calls) -> None:
        form = {"username": self._email, "password": self._password}
        self._take(calls.send("POST", "/auth/token", is_tokens, form=form))

    def token(self, calls: Calls) -> str | None:
        """An access token that will last a while; None when there is none to be had, which was counted."""
        if not self._exists:
            self.sign_up(calls)
        if self._exists and self._access is None:
            self.log_in(calls)
        elif self._access is not None and time.monotonic() >= self._renew_at:
            self.renew(calls)
        return self._access

    def renew(self, calls: Calls) -> None:
        """Another token, by the refresh token or else by logging in."""
        refresh, self._access, self._refresh = self._refresh, None, None
        if refresh is not None:
            self._take(calls.send("POST", "/auth/refresh", is_tokens, body={"refresh_token": refresh}))
        if self._access is None:
            self.log_in(calls)

    def _take(self, answer: Answer | None) -> None:
        if answer is None or answer.status != HTTPStatus.OK or not isinstance(answer.body, dict):
            self._access = None
            return
        self._access, self._refresh = (answer.body.get("access_token"), answer.body.get("refresh_token"))
        lifetime = float(answer.body.get("expires_in") or 0)
        self._renew_at = time.monotonic() + lifetime * (1 - MARGIN)
