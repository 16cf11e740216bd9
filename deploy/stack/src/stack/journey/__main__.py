"""The journey against a system that runs: `python -m stack.journey [--sample N] [URL]`."""

import argparse
import asyncio

import httpx2

from stack.journey.client import FIELD, JourneyClient, StepFailed
from stack.journey.diamonds import diamonds
from stack.journey.sample import Market, load_sample
from stack.journey.steps import run_steps
from stack.terminal import Terminal

GATEWAY = "http://127.0.0.1:8000"
TIMEOUT = 15.0


async def make_journey(url: str, terminal: Terminal, sample: int = 0) -> None:
    """List the first `sample` of the held-out diamonds, then go on the journey with one that is left.

    Raises StepFailed at the first step that fails.
    """
    known = diamonds()
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=TIMEOUT) as client:
        if sample:
            await load_sample(Market(client), known[:sample])
            terminal.line(f"{sample} real diamonds listed")
        terminal.heading("The journey. Each line can be pasted into a shell; this one comes first")
        terminal.command(FIELD)
        await run_steps(JourneyClient(client, terminal), known[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stack.journey", description=__doc__)
    parser.add_argument("url", nargs="?", default=GATEWAY, help="the gateway's address")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="list N real diamonds first")
    given = parser.parse_args()
    terminal = Terminal()
    try:
        asyncio.run(make_journey(given.url, terminal, given.sample))
    except StepFailed as error:
        terminal.bad(f"failed: {error}")
        raise SystemExit(1) from None
    terminal.good("\nEvery step worked.")


if __name__ == "__main__":
    main()
