"""Different requests in turn: asked once each, and as a wrk script."""

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests.bench.wrk import IN_TURN


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def of(self, caller: Mapping[str, str]) -> "Request":
        """The same with the caller's headers."""
        return replace(self, headers={**self.headers, **caller})

    @property
    def raw(self) -> str:
        """As it goes over the wire. The body must be ASCII."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        length = f"Content-Length: {len(self.body)}\r\n" if self.body else ""
        return f"{self.method} {self.path} HTTP/1.1\r\n{fields}{length}\r\n{self.body}"


def ask(port: int, request: Request) -> tuple[int, bytes]:
    """Status and body. Raises OSError and http.client's errors when there is no answer."""
    status, _, body = ask_for(port, request)
    return status, body


def ask_for(port: int, request: Request) -> tuple[int, dict[str, str], bytes]:
    """The same with the headers, whose names are in lower case."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request(request.method, request.path, request.body or None, dict(request.headers))
        response = connection.getresponse()
        return (
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(),
        )
    finally:
        connection.close()


def write_requests(script: Path, requests: Sequence[Request]) -> None:
    """A wrk script that makes these requests in turn."""
    lines = [
        f"  {{{_lua(one.method)}, {_lua(one.path)}, {{{headers}}}, {_lua(one.body) if one.body else 'nil'}}}"
        for one in requests
        for headers in [", ".join(f"[{_lua(name)}] = {_lua(value)}" for name, value in one.headers.items())]
    ]
    script.write_text(
        "local given = {\n" + ",\n".join(lines) + "\n}\n"
        "local requests, turn = {}, 0\n"
        "function init(_)\n"
        "  for place, one in ipairs(given) do\n"
        "    requests[place] = wrk.format(one[1], one[2], one[3], one[4])\n"
        "  end\n"
        "end\n" + IN_TURN
    )


def _lua(text: str) -> str:
    return json.dumps(text)  # the same escapes, for ASCII
