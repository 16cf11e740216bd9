"""A report as a browser shows it: its document after its scripts have run, or a picture of its upper part."""

import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SIZE = "1100,1700"  # pixels
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # a report needs nothing from outside
    "--virtual-time-budget=10000",
)


def browser() -> str | None:
    """The first of `BROWSERS` that is installed."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def rendered(report: Path) -> str:
    """The document after its scripts have run."""
    return _shown(report, "--dump-dom")


def photograph(report: Path, picture: Path) -> None:
    """Writes the upper part of the report as PNG. Raises OSError, SubprocessError."""
    _shown(report, f"--window-size={SIZE}", f"--screenshot={picture.resolve()}")


def _shown(report: Path, *how: str) -> str:
    found = browser()
    if found is None:
        raise FileNotFoundError(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with tempfile.TemporaryDirectory(prefix="facet-browser-", ignore_cleanup_errors=True) as profile:
        command = [found, *OPTIONS, f"--user-data-dir={profile}", *how, report.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)  # noqa: S603 - ours
    return done.stdout
