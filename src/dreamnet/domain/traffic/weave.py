"""Weaves the route table: ready instances get traffic, and policy decides when none is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dreamnet.model.instances import InstanceId
from dreamnet.model.routes import Backend, Endpoint, EndpointHealth, RouteTable, Waiting
from dreamnet.model.services import AllUnready, Route, ServiceName, ServiceSpec


@dataclass(frozen=True)
class Candidate:
    """An instance that might get traffic.

    `ready` is its readiness verdict, `alive` false once its liveness fails or its process ended,
    `been_ready` whether it ever was ready, `withdrawn` true while it is being stopped.
    """

    id: InstanceId
    host: str
    port: int
    ready: bool
    alive: bool
    been_ready: bool
    withdrawn: bool = False


@dataclass(frozen=True)
class Traffic:
    """What is known of one service; `backing_off` is true while its healing waits or gave up."""

    spec: ServiceSpec
    candidates: tuple[Candidate, ...] = ()
    backing_off: bool = False


@dataclass(frozen=True)
class Woven:
    """The table, what was last ready per service, and the services where policy stepped in."""

    table: RouteTable
    last_ready: Mapping[ServiceName, frozenset[InstanceId]]
    all_unready: frozenset[ServiceName]


def weave(
    services: tuple[Traffic, ...], last_ready: Mapping[ServiceName, frozenset[InstanceId]]
) -> Woven:
    """Return the table for what is known now, given which instances were last ready."""
    backends: list[Backend] = []
    remembered: dict[ServiceName, frozenset[InstanceId]] = {}
    unready: set[ServiceName] = set()
    for traffic in services:
        route = traffic.spec.route
        if route is None:
            continue
        name = traffic.spec.name
        eligible = [c for c in traffic.candidates if c.alive and c.been_ready and not c.withdrawn]
        ready = frozenset(c.id for c in eligible if c.ready)
        remembered[name] = ready or last_ready.get(name, frozenset())
        if eligible and not ready:
            unready.add(name)
        backends.append(_backend(traffic, route, eligible, remembered[name]))
    return Woven(RouteTable(backends=tuple(backends)), remembered, frozenset(unready))


def _backend(
    traffic: Traffic, route: Route, eligible: list[Candidate], remembered: frozenset[InstanceId]
) -> Backend:
    spec = traffic.spec
    ready = frozenset(candidate.id for candidate in eligible if candidate.ready)
    keep = not ready and spec.on_all_unready is AllUnready.KEEP
    served = remembered if keep else ready
    endpoints = tuple(
        Endpoint(
            host=candidate.host,
            port=candidate.port,
            health=EndpointHealth.HEALTHY if candidate.id in served else EndpointHealth.UNHEALTHY,
        )
        for candidate in sorted(eligible, key=lambda candidate: candidate.id)
    )
    return Backend(
        service=spec.name,
        route=route,
        live=spec.health.live,
        endpoints=endpoints,
        waiting=_waiting(traffic, eligible),
    )


def _waiting(traffic: Traffic, eligible: list[Candidate]) -> Waiting:
    fails = bool(eligible) and traffic.spec.on_all_unready is AllUnready.FAIL
    return Waiting.FAIL if fails or traffic.backing_off else Waiting.HOLD
