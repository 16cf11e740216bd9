"""Who the callers of the journey mix are."""

import json
from urllib.parse import parse_qs, quote_plus

from loadtests.tuner.measuring.journeys import _people


def test_those_who_log_in_are_not_those_whose_tokens_are_used() -> None:
    """An account keeps a few sessions: each login beyond them ends the oldest."""
    signed_up, signed_in = [], []

    def send(path: str, _: str, body: str) -> bytes:
        if path == "/users":
            signed_up.append(json.loads(body)["email"])
            return b"{}"
        signed_in.extend(parse_qs(body)["username"])
        return json.dumps({"access_token": f"of {signed_in[-1]}"}).encode()

    values = _people(send, 3)
    later = [email for email in signed_up if quote_plus(email) in values["email"]]
    assert len(signed_in) == len(later) == 3
    assert sorted(signed_in + later) == sorted(signed_up)
    assert values["token"] == [f"of {email}" for email in signed_in]
    assert len(values["password"]) == 3
