"""HTTP/1.1 as every service speaks it: limits, deadlines, refusals and draining, below the application."""

from shared.wire.connections import Connections
from shared.wire.cycle import AsgiCycle, Cycle, asgi_cycle, asgi_scope
from shared.wire.protocol import Protocol

__all__ = ["AsgiCycle", "Connections", "Cycle", "Protocol", "asgi_cycle", "asgi_scope"]
