"""What can go wrong."""

from shared.exceptions import NotFound


class WidgetNotFound(NotFound):
    code, title = "widget_not_found", "No such widget"

    def __init__(self, widget_id: int) -> None:
        super().__init__(widget_id=widget_id)
