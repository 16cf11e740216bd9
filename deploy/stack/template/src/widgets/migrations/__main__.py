"""`python -m widgets.migrations` brings the database up to date."""

from shared.migrations import upgrade
from shared.settings import load_settings
from widgets.migrations import FOLDER
from widgets.settings import MigrationSettings

if __name__ == "__main__":
    upgrade(FOLDER, load_settings(MigrationSettings))
