"""Starts a model server with what it needs around it, and checks its first answer."""

import math
import secrets
import urllib.error
import urllib.request
from typing import Any, Final

from loadtests.bench import environment, nginx, valkey
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.ml_tasks import expected, instances
from loadtests.bench.model_servers import ModelServer, Place, Task
from loadtests.bench.rig import Rig, free_port

TOLERANCE: Final = 1e-3


class Starter:
    """The issuer of the tokens that our own servers are asked with."""

    def __init__(self) -> None:
        self._issuer = Issuer()
        self._token = self._issuer.token(1)

    def headers(self, server: ModelServer, body: bytes) -> dict[str, str]:
        given = {"Content-Type": "application/json", **server.headers(body)}
        return given | ({"Authorization": f"Bearer {self._token}"} if server.ours else {})

    def start(self, rig: Rig, server: ModelServer, task: Task) -> int:
        """The port that is asked. Raises BenchFailed when its first answer is not the model's."""
        ours = self.surroundings(rig) if server.ours else {}
        place = Place(rig.folder, free_port(), task, ours)
        chosen = instances(task, 1)
        body = server.body(task, chosen)
        answers: list[Any] = []

        def ready(port: int) -> bool:
            answers[:] = [self._ask(port, server, task, body)]
            return answers[0] is not None

        core, given = rig.cores.server, server.environment(place)
        rig.start(
            server.name, server.command(place), core=core, ready=lambda: ready(place.port), environment=given
        )
        port = place.port
        if server.through_gateway:
            port = free_port()
            gateway = {
                **ours,
                "GATEWAY_PORT": str(port),
                "GATEWAY_ML_PREDICT_URL": f"http://127.0.0.1:{place.port}",
            }
            command = [str(environment.our_python()), "-m", "gateway"]
            rig.start("gateway", command, core=core, ready=lambda: ready(port), environment=gateway)
        self._check(server, task, answers[0])
        return port

    def surroundings(self, rig: Rig) -> dict[str, str]:
        """Redis and the address of the keys, on the load's core, and what our services must know of them."""
        port, password = free_port(), secrets.token_urlsafe()
        keys = nginx.upstream_command(rig.folder, port, "{}", self._issuer.jwks)
        rig.start("keys", keys, core=rig.cores.load, ready=lambda: _listens(port))
        redis = valkey.command(rig.folder, password)
        rig.start("redis", redis, core=rig.cores.load, ready=lambda: valkey.answers(rig.folder))
        valkey.complete_list(rig.folder, password)
        address = f"http://127.0.0.1:{port}"
        common = {
            "ENVIRONMENT": "production",
            "WORKERS": "1",
            "LOG_FORMAT": "json",
            "REDIS_URL": f"unix://{valkey.path(rig.folder)}",
            "REDIS_PASSWORD": password,
            "JWKS_URL": address + nginx.JWKS_PATH,
        }
        metrics = {"ML_PREDICT_METRICS_PORT": str(free_port()), "GATEWAY_METRICS_PORT": str(free_port())}
        services = {
            f"{prefix}_{name}": value
            for prefix in ("ML_PREDICT", "GATEWAY")
            for name, value in common.items()
        }
        return services | metrics | {
            "GATEWAY_INTERNAL_SECRET": password,
            "GATEWAY_USERS_URL": address,
            "GATEWAY_ITEMS_URL": address,
        }  # fmt: skip

    def _ask(self, port: int, server: ModelServer, task: Task, body: bytes) -> Any:
        """The answer as JSON; None while there is none."""
        url = f"http://127.0.0.1:{port}{server.path(task)}"
        request = urllib.request.Request(url, body, self.headers(server, body))
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own address
                return server.read(answer.read())
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def _check(self, server: ModelServer, task: Task, answer: Any) -> None:
        wanted = expected(task, instances(task, 1)[0])
        found = server.first(answer)[: len(wanted)]
        if len(found) != len(wanted) or not all(map(_close, found, wanted)):
            raise BenchFailed(f"{server.title} answers {found[:3]}, not {wanted[:3]}")


def _close(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _listens(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
            return True
    except OSError:
        return False
