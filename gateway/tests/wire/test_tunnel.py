"""How a tunnel ends, with ends that only note what is done to them."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from gateway.wire.tunnel import Tunnel, TunnelLimits
from shared.wire.deadlines import LINGER

pytestmark = pytest.mark.asyncio(loop_scope="function")


def opened() -> tuple[Tunnel, Any, Any]:
    """A tunnel, its client's connection and its upstream's transport."""
    loop = asyncio.get_running_loop()
    client, upstream = Mock(loop=loop), Mock()
    client.flow.write_paused = client.peers.draining = False
    client.peers.now = loop.time()
    for transport in (client.transport, upstream):
        transport.is_closing.return_value = False
        transport.can_write_eof.return_value = True
    tunnel = Tunnel(client, TunnelLimits(60.0, 60.0), allowed=lambda: True, ended=lambda _: None)
    tunnel.open(upstream, b"")
    return tunnel, client, upstream


async def test_a_slow_client_still_gets_what_an_upstream_said_before_it_closed() -> None:
    """How long it may take to read is the connection's to say, as for any answer."""
    tunnel, client, _ = opened()
    tunnel.data_received(b"\x81\x02hi")
    tunnel.connection_lost(None)
    tunnel.check(client.loop.time() + 10 * LINGER)
    client.transport.close.assert_called_once_with()
    client.transport.abort.assert_not_called()


async def test_sides_that_do_not_close_after_a_limit_are_cut_off() -> None:
    tunnel, client, upstream = opened()
    tunnel.close("idle")
    tunnel.check(client.loop.time())
    client.transport.abort.assert_not_called()
    tunnel.check(client.loop.time() + 2 * LINGER)
    client.transport.abort.assert_called_once_with()
    upstream.abort.assert_called_once_with()
