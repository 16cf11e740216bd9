"""`python -m oip_check URL --model NAME`: one line a check, and exit status 1 if one failed."""

import argparse
import json
import sys
from collections.abc import Iterator

import httpx2

from oip_check.checks import BINARY, CORE, Check
from oip_check.server import Server


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    headers = dict(header.split(": ", 1) for header in given.header)
    with httpx2.Client(base_url=given.url, headers=headers, timeout=30, trust_env=False) as client:
        server = Server(client, given.model, json.loads(given.example))
        checks = CORE if given.without_binary else (*CORE, *BINARY)
        failed = 0
        for check, reason in run(server, checks):
            failed += reason is not None
            sys.stdout.write(f"{'FAILED' if reason else 'passed'}  {_title(check)}\n")
            if reason:
                sys.stdout.write(f"        {reason}\n")
    sys.stdout.write(f"{len(checks) - failed} of {len(checks)} checks passed\n")
    return 1 if failed else 0


def run(server: Server, checks: tuple[Check, ...]) -> Iterator[tuple[Check, str | None]]:
    """Each check with the reason why it failed, or None."""
    for check in checks:
        try:
            check(server)
            yield check, None
        except Exception as error:  # noqa: BLE001 - whatever an unknown server answers, the other checks go on
            yield check, f"{type(error).__name__}: {error}"[:500]


def _title(check: Check) -> str:
    return check.__name__.replace("_", " ")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m oip_check", description=__doc__)
    parser.add_argument("url", help="address of the server, without /v2")
    parser.add_argument("--model", required=True, help="a model that it serves")
    parser.add_argument("--header", action="append", default=[], help='"X-API-Key: …", as often as needed')
    parser.add_argument("--example", default="{}", help="JSON: one row of values by input; zeros without it")
    parser.add_argument("--without-binary", action="store_true", help="leave out the binary tensor extension")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
