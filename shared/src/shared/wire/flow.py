"""When a connection reads."""

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """Reading stays paused while `held`, whatever the request that is being answered asks for."""

    held = False

    def resume_reading(self) -> None:
        if self.read_paused and not self.held:
            super().resume_reading()
