"""What the gateway is told: whole route tables, never pieces."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from dreamnet.model.record import Record
from dreamnet.model.services import Probe, Route, ServiceName


class EndpointHealth(StrEnum):
    """Whether an endpoint may get traffic; an unhealthy one finishes what it has."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Endpoint(Record):
    """An instance as the gateway sees it; `weight` is 1 or more."""

    host: str
    port: int
    health: EndpointHealth = EndpointHealth.HEALTHY
    weight: int = Field(default=100, ge=1)

    @property
    def address(self) -> str:
        """Return `host:port`."""
        return f"{self.host}:{self.port}"


class Waiting(StrEnum):
    """What the waiting room does with a request while no endpoint is healthy."""

    HOLD = "hold"
    FAIL = "fail"


class Backend(Record):
    """A service behind the gateway: its endpoints, its liveness question, and how requests wait."""

    service: ServiceName
    route: Route
    live: Probe
    endpoints: tuple[Endpoint, ...] = ()
    waiting: Waiting = Waiting.HOLD


class RouteTable(Record):
    """Everything the gateway serves, in one consistent value."""

    backends: tuple[Backend, ...] = ()


class EndpointSample(Record):
    """Counters of one endpoint since the gateway started; per attempt, so retries count."""

    service: ServiceName
    address: str
    requests: int
    errors: int
    active: int
    healthy: bool


class GatewaySample(Record):
    """One look at the gateway's counters; `monotonic_s` says when."""

    monotonic_s: float
    endpoints: tuple[EndpointSample, ...]
    requests: int = 0
    answers_5xx: int = 0
    waiting: int = 0
    room_answers: bool = True


class Applied(Record):
    """What became of a table: its version, and the resources the gateway rejected with why."""

    version: str
    rejected: tuple[str, ...] = ()
