"""What the gateway's own routes ask for."""

from typing import Annotated

import httpx2
from fastapi import Depends, Request

from gateway.data_plane import DataPlane
from gateway.settings import GatewaySettings


async def _plane(request: Request) -> DataPlane:
    plane: DataPlane = request.state.plane
    return plane


async def _client(request: Request) -> httpx2.AsyncClient:
    client: httpx2.AsyncClient = request.state.client
    return client


async def _settings(request: Request) -> GatewaySettings:
    settings: GatewaySettings = request.state.settings
    return settings


Plane = Annotated[DataPlane, Depends(_plane)]
Client = Annotated[httpx2.AsyncClient, Depends(_client)]
Settings = Annotated[GatewaySettings, Depends(_settings)]
