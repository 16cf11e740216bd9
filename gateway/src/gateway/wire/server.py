"""The client's side: requests that the data plane serves are answered without ASGI, the rest as ever."""

from typing import Any

from gateway.wire.stream import ServerStream
from shared.wire import Cycle, Protocol


class ClientConnection(Protocol):
    """One client connection. `plane` in the lifespan's state says which requests are its own.

    A plane has `open(connection)`, which gives a `ServerStream` or None, and `private_port`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plane = self.app_state.get("plane")

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self._plane is not None and self.server is not None and self.server[1] == self._plane.private_port:
            self._plane = None

    def make_cycle(self) -> Cycle:
        if self._plane is not None:
            stream: ServerStream | None = self._plane.open(self)
            if stream is not None:
                return stream
        return super().make_cycle()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if isinstance(self.current, ServerStream):
            self.current.flush()  # once for all that came: a small body leaves together with its head

    def pause_writing(self) -> None:
        super().pause_writing()
        if isinstance(self.current, ServerStream):
            self.current.pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if isinstance(self.current, ServerStream):
            self.current.resume_writing()
