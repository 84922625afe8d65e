"""A gateway, its folder and tables for the tests of the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from gateway_world import Client, Server, Servers

from dreamnet.drivers.gateway.envoy import EnvoyGateway
from dreamnet.drivers.gateway.files import read_json
from dreamnet.drivers.gateway.ports import free_address
from dreamnet.kernel.clock import SystemClock
from dreamnet.model.routes import Backend, Endpoint, EndpointHealth, RouteTable, Waiting
from dreamnet.model.services import Probe, ProbeKind, Route, ServiceName

HTTP = Probe(kind=ProbeKind.HTTP, path="/live")


def endpoint(server: Server, health: EndpointHealth = EndpointHealth.HEALTHY) -> Endpoint:
    return Endpoint(host="127.0.0.1", port=server.port, health=health)


def backend(
    *endpoints: Server | Endpoint,
    service: str = "shop",
    route: Route | None = None,
    live: Probe = HTTP,
    waiting: Waiting = Waiting.HOLD,
) -> Backend:
    return Backend(
        service=ServiceName(service),
        route=route or Route(host="shop.localhost"),
        live=live,
        endpoints=tuple(endpoint(e) if isinstance(e, Server) else e for e in endpoints),
        waiting=waiting,
    )


def table(*backends: Backend) -> RouteTable:
    return RouteTable(backends=backends)


@dataclass
class World:
    """Everything one test needs; `open` may be called for a second gateway on the same folder."""

    folder: Path
    listen: str
    servers: Servers
    gateways: list[EnvoyGateway]
    clients: list[Client]

    @classmethod
    def at(cls, folder: Path) -> World:
        return cls(folder, str(free_address()), Servers(), [], [])

    async def open(self, hold_s: float = 20.0, listen: str = "") -> EnvoyGateway:
        hold = timedelta(seconds=hold_s)
        gateway = EnvoyGateway(self.folder, listen or self.listen, SystemClock(), hold)
        self.gateways.append(gateway)
        await gateway.open()
        return gateway

    def client(self, host: str = "shop.localhost") -> Client:
        self.clients.append(Client(self.listen, host))
        return self.clients[-1]

    def pid(self, part: str) -> int:
        document = read_json(self.folder / f"{part}.pid.json")
        assert isinstance(document, dict)
        return document["pid"]

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        for gateway in self.gateways:
            await gateway.close(stop=True)
        self.servers.close()
