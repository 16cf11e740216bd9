"""Builds the services from their resources: one place for the web, the commands and the tests."""

from shared.database import Database
from widgets.service import WidgetService
from widgets.store import Store


class Factory:
    def __init__(self, database: Database) -> None:
        self.store = Store(database)

    def widgets(self) -> WidgetService:
        return WidgetService(self.store)
