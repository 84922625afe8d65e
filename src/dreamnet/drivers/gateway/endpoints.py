"""The endpoints of a service: its instances first, the waiting room when none of them can."""

from __future__ import annotations

from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.resources import Resource, socket_address
from dreamnet.model.address import Address
from dreamnet.model.routes import Backend, Endpoint, EndpointHealth


def load_assignment(backend: Backend, layout: Layout) -> Resource:
    """Return the endpoints with the health we know; priority 1 is the waiting room."""
    ordered = sorted(backend.endpoints, key=lambda one: (one.host, one.port))
    instances = {"priority": 0, "lb_endpoints": [_instance(endpoint) for endpoint in ordered]}
    room = {"priority": 1, "lb_endpoints": [_room(layout.room)]}
    return {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": backend.service,
        "endpoints": [instances, room],
        "policy": {"overprovisioning_factor": 100_000},  # one healthy instance takes all traffic
    }


def _instance(endpoint: Endpoint) -> Resource:
    address = Address(host=endpoint.host, port=endpoint.port)
    good = endpoint.health is EndpointHealth.HEALTHY
    return {
        "endpoint": {"address": socket_address(address)},
        "health_status": "HEALTHY" if good else "UNHEALTHY",
        "load_balancing_weight": endpoint.weight,
    }


def _room(address: Address) -> Resource:
    return {
        "endpoint": {
            "address": socket_address(address),
            "health_check_config": {"disable_active_health_check": True},
        },
        "health_status": "HEALTHY",
        "load_balancing_weight": 1,
    }
