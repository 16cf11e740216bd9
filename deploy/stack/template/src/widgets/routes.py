"""HTTP in, HTTP out."""

from fastapi import APIRouter, Response

from shared.identity import ActiveCaller
from shared.pagination import TOTAL_COUNT, PageQuery
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


@router.get("")
async def list_widgets(
    page: PageQuery, caller: ActiveCaller, widgets: Widgets, response: Response
) -> list[WidgetOut]:
    """The caller's own, the newest first; the total stands in `X-Total-Count`."""
    found, total = await widgets.owned(page, caller)
    response.headers[TOTAL_COUNT] = str(total)
    return [WidgetOut.model_validate(widget) for widget in found]


@router.get("/{widget_id}")
async def read_widget(widget_id: WidgetId, caller: ActiveCaller, widgets: Widgets) -> WidgetOut:
    return WidgetOut.model_validate(await widgets.read(widget_id, caller))
