"""The services in the node's care."""

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from dreamnet.web.face import Node, answer, service_of
from dreamnet.web.views import service_view

router = APIRouter(prefix="/api/services", tags=["services"])


@router.get("")
async def list_services(node: Node) -> Response:
    """Return every service with its instances."""
    views = [service_view(node, spec) for spec in node.world.services.values()]
    return answer({"services": await asyncio.gather(*views)})


@router.get("/{name}")
async def get_service(name: str, node: Node) -> Response:
    """Return one service with its instances."""
    return answer(await service_view(node, service_of(node, name)))
