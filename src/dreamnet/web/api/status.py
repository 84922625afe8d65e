"""How the node and everything in its care is, in one look."""

import asyncio
import os

from fastapi import APIRouter
from starlette.responses import Response

from dreamnet.model.policy import OfficePolicy
from dreamnet.web.face import Node, answer
from dreamnet.web.handles import Handles
from dreamnet.web.outside import heartbeat_view, watch_view
from dreamnet.web.views import (
    View,
    dream_counts,
    gateway_view,
    node_view,
    service_view,
    store_view,
    waiting_views,
)

router = APIRouter(tags=["status"])


@router.get("/api/status")
async def get_status(node: Node) -> Response:
    """Return node, store, gateway, services, watches, how many dreams, and what waits for a yes.

    It answers while the store does not; the numbers of dreams and what waits are then null.
    """
    services = [service_view(node, spec) for spec in node.world.services.values()]
    body = {
        "node": await own_status(node),
        "store": store_view(node),
        "gateway": gateway_view(node),
        "services": await asyncio.gather(*services),
        "watches": [watch_view(node, seen) for seen in node.world.outside.watches.values()],
        "heartbeat": heartbeat_view(node),
        "dreams": await dream_counts(node),
        "waiting": await waiting_views(node),
    }
    return answer(body)


async def own_status(node: Handles) -> View:
    """Return how the node itself is, with its process."""
    return await node_view(node) | {"pid": os.getpid()}


_AGENTS: dict[str, list[View]] = {
    "dreamkeeper": [
        {"check": "dreamnet-health", "target": "self"},
        {"check": "service-health", "target": "<service>"},
    ],
    "deploykeeper": [
        {"action": "restart", "service": "<service>", "slot": "<number, optional>"},
        {"action": "scale", "service": "<service>", "replicas": "<number>"},
        {"action": "status", "service": "<service, optional>"},
    ],
    "envkeeper": [{"action": "validate", "service": "<service, optional>"}],
    "relaybot": [{"from": "<agent>", "to": "<agent>", "message": "<word>", "payload": {}}],
}


@router.get("/api/agents")
async def get_agents(node: Node) -> Response:
    """Return the agents with what they take, the offices, and what waits for a yes."""
    policy = node.settings.reef
    active = await node.store.read(lambda tx: tx.actions.active())
    held = [action.proposal.office for action in active]
    offices = {} if policy is None else policy.offices
    body = {
        "agents": [{"agent": name, "inputs": inputs} for name, inputs in _AGENTS.items()],
        "offices": [_office(name, one, held.count(name)) for name, one in offices.items()],
        "waiting": await waiting_views(node),
        "halted": node.desk.halted(),
    }
    return answer(body)


def _office(name: str, policy: OfficePolicy, occupied: int) -> View:
    return {
        "office": name,
        "capacity": policy.capacity,
        "mode": policy.mode,
        "occupied": occupied,
    }
