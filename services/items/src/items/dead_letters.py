"""Shows and replays events that could not be handled: `python -m items.dead_letters [replay]`."""

from items.consumer import GROUP, opened
from items.settings import EventSettings
from shared.events.dead_letters_command import run
from shared.settings import load_settings


def main() -> None:
    settings = load_settings(EventSettings)
    run("items.dead_letters", settings, GROUP, opened(settings))


if __name__ == "__main__":
    main()
