"""Named dependencies."""

from typing import Annotated

from fastapi import Depends, Request

from shared.fields import PathId
from widgets.service import WidgetService


async def _widgets(request: Request) -> WidgetService:
    found: WidgetService = request.state.widgets
    return found


WidgetId = PathId
Widgets = Annotated[WidgetService, Depends(_widgets)]
