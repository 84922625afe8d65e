"""Envoy's admin interface on loopback: is it live, what does it count, what has it accepted."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dreamnet.kernel.errors import Unavailable
from dreamnet.model.address import Address

_ANSWER_LIMIT_S = 2.0


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Socket(_Lenient):
    address: str = ""
    port_value: int = 0


class _Place(_Lenient):
    socket_address: _Socket = _Socket()


class _Statistic(_Lenient):
    name: str
    value: int = 0  # sent as text; a missing value is 0


class _Host(_Lenient):
    address: _Place
    stats: list[_Statistic] = []
    health_status: dict[str, object] = {}
    priority: int = 0


class _Cluster(_Lenient):
    name: str
    hosts: list[_Host] = Field(default=[], alias="host_statuses")


class _Clusters(_Lenient):
    cluster_statuses: list[_Cluster] = []


@dataclass(frozen=True)
class Host:
    """An endpoint as Envoy sees it now; the room's endpoints have priority 1."""

    service: str
    address: str
    priority: int
    healthy: bool
    requests: int
    errors: int
    active: int


class Admin:
    """Asks and tells Envoy; every method raises `Unavailable` when it does not answer."""

    def __init__(self, address: Address) -> None:
        self._base = f"http://{address}"
        self._session: aiohttp.ClientSession | None = None

    async def is_live(self) -> bool:
        """Tell whether Envoy serves; false while it starts or is dead."""
        try:
            text = await self._ask("GET", "/server_info")
        except Unavailable:
            return False
        return '"state": "LIVE"' in text

    async def answers(self) -> bool:
        """Tell whether Envoy's main thread answers at all, ready or not."""
        try:
            await self._ask("GET", "/server_info")
        except Unavailable:
            return False
        return True

    async def hosts(self) -> tuple[Host, ...]:
        """Return every endpoint with its health and counters."""
        text = await self._ask("GET", "/clusters?format=json")
        try:
            page = _Clusters.model_validate_json(text)
        except ValidationError as error:
            raise Unavailable("Envoy's list of endpoints is not readable") from error
        return tuple(_host(one.name, host) for one in page.cluster_statuses for host in one.hosts)

    async def statistics(self, pattern: str) -> dict[str, int | str]:
        """Return the statistics whose name matches the regular expression."""
        text = await self._ask("GET", "/stats", {"format": "json", "filter": pattern})
        return _statistics(text)

    async def drain(self) -> None:
        """Stop listening; what is under way goes on."""
        await self._ask("POST", "/drain_listeners")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, method: str, path: str, query: dict[str, str] | None = None) -> str:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_ANSWER_LIMIT_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.request(method, self._base + path, params=query) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Envoy's admin interface does not answer: {error}") from error
        if answer.status >= 400:
            raise Unavailable(f"Envoy's admin interface answered {answer.status} to {path}")
        return text


class _StatisticsPage(_Lenient):
    stats: list[dict[str, object]] = []


def _statistics(text: str) -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for entry in _StatisticsPage.model_validate_json(text).stats:
        name, value = entry.get("name"), entry.get("value")
        if isinstance(name, str) and isinstance(value, int | str):
            found[name] = value
    return found


def _host(service: str, host: _Host) -> Host:
    counters = {one.name: one.value for one in host.stats}
    place = host.address.socket_address
    return Host(
        service=service,
        address=f"{place.address}:{place.port_value}",
        priority=host.priority,
        healthy=_is_healthy(host.health_status),
        requests=counters.get("rq_total", 0),
        errors=counters.get("rq_error", 0),
        active=counters.get("rq_active", 0),
    )


def _is_healthy(status: dict[str, object]) -> bool:
    """Tell whether no flag (`failed_*`, `pending_*`) speaks against a healthy endpoint."""
    flags = [name for name, value in status.items() if value is True]
    return status.get("eds_health_status") == "HEALTHY" and not flags
