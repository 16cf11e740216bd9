"""What the gateway's bench measures on: an upstream, Redis, and gateways that start beside them."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.bench import contract, nginx, report, valkey, wrk
from loadtests.bench.contestant import Contestant, Surroundings
from loadtests.bench.contestants import CONTESTANTS, FACET
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.progress import say
from loadtests.bench.request import Request, write_requests
from loadtests.bench.rig import Rig, free_port
from loadtests.bench.rounds import Plan, interleaved

CALLERS = 100  # tokens in turn: the same one again and again would flatter whoever remembers it
BODY = b'{"id": 1, "name": "' + b"x" * 179 + b'"}'  # 200 bytes
LOG_TIMEOUT = 5.0  # seconds: lines are gathered for a moment before they are written


@dataclass(frozen=True, slots=True)
class Load:
    """A closed loop: the requests of `script` in turn, on as many connections."""

    script: Path
    connections: int = 32


class Setup:
    """One section's. Gateways share a core and are measured in turns; everything else is on the other."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.issuer = Issuer()
        self.tokens = [self.issuer.token(subject) for subject in range(1, CALLERS + 1)]
        self.around = self._surround()
        self.ports: dict[str, int] = {}
        self._contestants: dict[str, Contestant] = {}
        self._helpers: set[str] = set()  # those that run: peers share them
        self._answered: dict[str, int] = {}

    def _surround(self) -> Surroundings:
        folder, core, port = self.rig.folder, self.rig.cores.load, free_port()
        around = Surroundings(
            folder=folder,
            upstream=f"127.0.0.1:{port}",
            redis_socket=valkey.path(folder),
            redis_password=secrets.token_urlsafe(),
            verifier_port=free_port(),
        )
        upstream = nginx.upstream_command(folder, port, BODY.decode(), self.issuer.jwks)
        self.rig.start("upstream", upstream, core=core, ready=lambda: contract.answers(port, None))
        redis = valkey.command(folder, around.redis_password)
        self.rig.start("redis", redis, core=core, ready=lambda: valkey.answers(folder))
        valkey.complete_list(folder, around.redis_password)
        return around

    def start_all(self, contestants: Sequence[Contestant]) -> dict[str, str]:
        """Those that could be started: name and title. Raises BenchFailed when ours could not.

        A peer that cannot be had, or does not keep the contract, is left out with a line that says why.
        """
        for contestant in contestants:
            say(f"starting {contestant.title}")
            try:
                self.start(contestant)
            except BenchFailed as failure:
                if contestant.name.startswith(FACET):
                    raise
                say(f"left out: {failure}")
                self.rig.stop(contestant.name)
        return {name: contestant.title for name, contestant in self._contestants.items()}

    def start(self, contestant: Contestant, *, core: int | str | None = None) -> None:
        """Start a gateway, and check that it does what it should. Raises BenchFailed."""
        around, token = self.around, self.tokens[0]
        helper, core = contestant.helper, self.rig.cores.server if core is None else core
        if helper is not None and helper.name not in self._helpers:
            self._helpers.add(helper.name)
            ready = partial(contract.answers, around.verifier_port, token, "/verify")
            self._launch(helper, around.verifier_port, core, ready)
        port = free_port()
        self._launch(contestant, port, core, partial(contract.answers, port, token))
        contract.check(contestant, port, token, BODY)
        self.ports[contestant.name] = port
        self._contestants[contestant.name] = contestant
        self._answered[contestant.name] = 0

    def _launch(self, it: Contestant, port: int, core: int | str, ready: Any) -> None:
        command, given = it.command(self.around, port), it.environment(self.around, port)
        self.rig.start(it.name, command, core=core, ready=ready, environment=given)

    def requests(self, method: str = "GET", path: str = contract.PATH, body: str = "") -> list[Request]:
        """One of each caller."""
        callers = self.tokens[:10] if body else self.tokens  # each request is kept whole
        return [
            Request(method, path, body, {"Host": "127.0.0.1", "Authorization": f"Bearer {token}"})
            for token in callers
        ]

    def load(
        self, method: str = "GET", path: str = contract.PATH, body: str = "", *, connections: int = 32
    ) -> Load:
        script = self.rig.folder / f"load-{secrets.token_hex(4)}.lua"
        write_requests(script, self.requests(method, path, body))
        return Load(script, connections)

    def measure(self, name: str, load: Load, seconds: float) -> wrk.Sample:
        url, core = f"http://127.0.0.1:{self.ports[name]}/", self.rig.cores.load
        sample = wrk.run(url, seconds=seconds, connections=load.connections, core=core, script=load.script)
        self.rig.check_alive()
        self._answered[name] += sample.requests
        say(f"  {name:<18}{sample.rate:>9,.0f} req/s")
        return sample

    def compare(
        self, title: str, titles: Mapping[str, str], load: Load, plan: Plan, ours: str = FACET
    ) -> dict[str, Any]:
        """Measures in turns, prints the table, and returns what is worth keeping. Raises BenchFailed."""
        say(title)
        for name in titles:
            self.measure(name, load, plan.warm_up)
        measure = partial(self.measure, load=load, seconds=plan.seconds)
        samples = interleaved(list(titles), plan.rounds, measure)
        ratios = report.compare(samples, ours)
        print(f"\n{title}")  # noqa: T201 - the command's result
        print(report.table(titles, samples, ratios, titles[ours]))  # noqa: T201 - the command's result
        return report.document(titles, samples, ratios, title=title)

    def check_logs(self) -> None:
        """Those that should log each request to a file have, or the comparison is not fair."""
        for name, contestant in self._contestants.items():
            if not contestant.logs:
                continue
            own = contestant.access_log
            log = self.around.folder / own if own else self.rig.log(name)
            answered, deadline = self._answered[name], time.monotonic() + LOG_TIMEOUT
            while (lines := _lines(log)) < answered:
                if time.monotonic() > deadline:
                    raise BenchFailed(f"{name} logged {lines} of {answered} requests")
                time.sleep(0.05)

    def peers(self, *names: str) -> list[Contestant]:
        return [CONTESTANTS[name] for name in names]


def _lines(log: Path) -> int:
    with log.open("rb") as file:
        return sum(1 for _ in file)
