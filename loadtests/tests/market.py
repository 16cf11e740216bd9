"""A small real server that keeps the marketplace's contract, or breaks it where it is told to."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loadtests.answers import BRIEF

Reply = tuple[int, Any]


class Market:
    """`wrong` holds names of routes that answer wrongly, each in a way of its own."""

    def __init__(
        self, wrong: frozenset[str] = frozenset(), *, expires_in: int = 900, delay: float = 0.0
    ) -> None:
        self.url = ""
        self.delay = delay  # seconds that each answer takes
        self.wrong = wrong
        self.expires_in = expires_in
        self.items: dict[int, dict[str, Any]] = {}
        self.tokens: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.refuse_once = False
        self._lock = threading.Lock()
        self._next = 0

    def number(self) -> int:
        with self._lock:
            self._next += 1
            return self._next

    def tokens_for(self, route: str) -> Reply:
        access = f"access-{self.number()}"
        self.tokens.add(access)
        if route in self.wrong:
            return 200, {"access_token": access, "token_type": "bearer", "expires_in": self.expires_in}
        refresh = {"refresh_token": f"refresh-{self.number()}"}
        return 200, {"access_token": access, "token_type": "bearer", "expires_in": self.expires_in, **refresh}

    def appraisal(self, item_id: int) -> Reply:
        high = 50 if "appraise" in self.wrong else 150
        body = {"item_id": item_id, "estimate": "100.00", "low": "80.00", "high": f"{high}.00"}
        return 200, {**body, "currency": "USD", "model": {"name": "price", "version": "1"}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    market: Market

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/ready":
            self._answer((200, {"status": "ready"}))
        elif path == "/items":
            self._count("browse", self._page)
        else:
            item = self.market.items.get(int(path.split("/")[2]))
            gone = item is None or item["name"] == BRIEF
            self._count("gone" if gone else "read", lambda: self._read(item))

    def do_POST(self) -> None:
        path, market = urlsplit(self.path).path, self.market
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        form = self.headers.get("content-type", "").startswith("application/x-www-form")
        sent: Any = parse_qs(raw.decode()) if form else json.loads(raw or b"{}")
        if path == "/users":
            email = "somebody@else.example" if "sign_up" in market.wrong else sent["email"]
            self._count(
                "sign_up", lambda: (201, {"id": market.number(), "email": email, "name": sent["name"]})
            )
        elif path == "/auth/token":
            assert sent["username"][0].startswith("load-")
            self._count("log_in", lambda: market.tokens_for("log_in"))
        elif path == "/auth/refresh":
            assert sent["refresh_token"].startswith("refresh-")
            self._count("refresh", lambda: market.tokens_for("refresh"))
        elif path == "/items":
            self._signed("sell", lambda: self._sell(sent))
        else:
            self._signed("appraise", lambda: market.appraisal(int(path.split("/")[2])))

    def do_DELETE(self) -> None:
        item_id = int(self.path.split("/")[2])

        def delete() -> Reply:
            if "withdraw" not in self.market.wrong:
                del self.market.items[item_id]
            return 204, None

        self._signed("withdraw", delete)

    def _page(self) -> Reply:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        kept = [item for item in list(self.market.items.values()) if _fits(item, query)]
        if query["sort"].endswith("price"):
            kept.sort(key=lambda item: float(item["price"]), reverse=query["sort"].startswith("-"))
        skip, limit = int(query["skip"]), int(query["limit"])
        shown = kept[skip : skip + limit]
        self.total = 0 if "browse" in self.market.wrong else len(kept)
        return 200, shown

    def _read(self, item: dict[str, Any] | None) -> Reply:
        if item is None:
            return 404, {"code": "item_not_found"}
        return (500, {"code": "internal"}) if "read" in self.market.wrong else (200, item)

    def _sell(self, sent: dict[str, Any]) -> Reply:
        item = {"id": self.market.number(), "owner_id": 1, **sent}
        self.market.items[item["id"]] = item
        return 201, {**item, "price": "1.00"} if "sell" in self.market.wrong else item

    def _signed(self, route: str, act: Callable[[], Reply]) -> None:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        refused, self.market.refuse_once = self.market.refuse_once, False
        if refused or token not in self.market.tokens:
            self._count("refused", lambda: (401, {"code": "token_invalid"}))
        else:
            self._count(route, act)

    def _count(self, name: str, act: Callable[[], Reply]) -> None:
        self.market.counts[name] += 1
        time.sleep(self.market.delay)
        self._answer(act())

    def _answer(self, reply: Reply) -> None:
        status, body = reply
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if isinstance(body, list):
            self.send_header("x-total-count", str(self.total))
        try:
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # nobody waits for it any more
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _fits(item: dict[str, Any], query: dict[str, str]) -> bool:
    features, price = item["features"], float(item["price"])
    return all(
        features[name] == query[name] for name in ("cut", "color", "clarity") if name in query
    ) and float(query.get("min_price", 0)) <= price <= float(query.get("max_price", "inf"))


@contextmanager
def open_market(market: Market) -> Iterator[Market]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"market": market}))
    server.daemon_threads = True
    market.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield market
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
