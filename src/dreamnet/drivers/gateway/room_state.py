"""What the waiting room is told: service by service, whether to hold, send back or refuse."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from datetime import timedelta

from dreamnet.model.routes import Backend, EndpointHealth, RouteTable, Waiting

# The room answers before the gateway's own limit does, so that the client hears when to come back.
_SHARE_OF_TIMEOUT = 0.9

PassedEndpoint = tuple[str, str]


def wanted_endpoints(table: RouteTable) -> frozenset[PassedEndpoint]:
    """Return (service, address) of every endpoint that should get traffic."""
    return frozenset(
        (backend.service, endpoint.address)
        for backend in table.backends
        for endpoint in backend.endpoints
        if endpoint.health is EndpointHealth.HEALTHY
    )


def all_endpoints(table: RouteTable) -> frozenset[PassedEndpoint]:
    """Return (service, address) of every endpoint, healthy or not."""
    return frozenset((b.service, one.address) for b in table.backends for one in b.endpoints)


def room_state(table: RouteTable, passed: AbstractSet[PassedEndpoint], hold: timedelta) -> str:
    """Return the room's state file: `ready` only with an endpoint that passed the gate."""
    services = {backend.service: _entry(backend, passed, hold) for backend in table.backends}
    return json.dumps({"services": services}, sort_keys=True)


def _entry(
    backend: Backend, passed: AbstractSet[PassedEndpoint], hold: timedelta
) -> dict[str, object]:
    wanted = [one for one in backend.endpoints if one.health is EndpointHealth.HEALTHY]
    ready = [one for one in wanted if (backend.service, one.address) in passed]
    # An endpoint on its way through the gate is worth a wait, whatever the policy.
    otherwise = Waiting.HOLD if wanted else backend.waiting
    return {
        "state": "ready" if ready else otherwise,
        "endpoints": [[one.host, one.port] for one in ready],
        "hold_s": _hold_s(backend, hold),
    }


def _hold_s(backend: Backend, hold: timedelta) -> float:
    timeout = backend.route.timeout
    longest = min(hold, timeout * _SHARE_OF_TIMEOUT) if timeout else hold
    return longest.total_seconds()
