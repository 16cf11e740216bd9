"""`python -m items.migrations`: brings the database up to date. A step before the service, never in it."""

from pathlib import Path

from items.settings import MigrationSettings
from shared.logging import configure_logging
from shared.migrations import upgrade
from shared.settings import load_settings


def main() -> None:
    settings = load_settings(MigrationSettings)
    configure_logging(settings)
    upgrade(Path(__file__).parent, settings)


if __name__ == "__main__":
    main()
