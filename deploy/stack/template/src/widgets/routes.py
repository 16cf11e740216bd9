"""HTTP in, HTTP out."""

from fastapi import APIRouter, Response

from shared.identity.dependencies import ActiveCaller
from shared.pagination import PAGE, Paged
from widgets.dependencies import WidgetId, Widgets
from widgets.schemas import NewWidget, WidgetOut

router = APIRouter(prefix="/widgets", tags=["widgets"])


@router.post("", status_code=201)
async def create_widget(
    wanted: NewWidget, caller: ActiveCaller, widgets: Widgets, response: Response
) -> WidgetOut:
    widget = await widgets.create(wanted.name, caller)
    response.headers["Location"] = f"/widgets/{widget.id}"
    return WidgetOut.model_validate(widget)


@router.get("", responses=PAGE)
async def list_widgets(pager: Paged, caller: ActiveCaller, widgets: Widgets) -> list[WidgetOut]:
    """The caller's own, the newest first."""
    found = await widgets.owned(pager.page, caller)
    return [WidgetOut.model_validate(widget) for widget in pager.rows(found)]


@router.get("/{widget_id}")
async def read_widget(widget_id: WidgetId, caller: ActiveCaller, widgets: Widgets) -> WidgetOut:
    return WidgetOut.model_validate(await widgets.read(widget_id, caller))
