"""The gateway as Envoy, driven by files, with the waiting room beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from dreamnet.drivers.gateway.admin import Admin, Host
from dreamnet.drivers.gateway.base import Part
from dreamnet.drivers.gateway.files import locked, read_text
from dreamnet.drivers.gateway.gate import Gate
from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.listeners import STATISTICS, boot, listener_name
from dreamnet.drivers.gateway.parts import Parts
from dreamnet.drivers.gateway.ports import (
    can_listen,
    free_address,
    remember,
    remembered,
    require_free,
)
from dreamnet.drivers.gateway.pusher import Pusher
from dreamnet.drivers.gateway.room_client import RoomClient, RoomCounters
from dreamnet.drivers.gateway.snapshot import Snapshot, snapshot
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import Unavailable
from dreamnet.kernel.files import write_whole
from dreamnet.kernel.tasks import Tasks, Wake
from dreamnet.model.address import parse_address
from dreamnet.model.instances import Exit
from dreamnet.model.routes import Applied, EndpointSample, GatewaySample, RouteTable, Waiting
from dreamnet.model.services import ServiceName

_POLL_S = 0.005
_GATE_POLL_S = 0.1
_GATE_POLL_SHARE = 20  # a look at many endpoints costs: never more than 1/20 of the time
_IDLE_S = 3600.0
_DRAIN_LIMIT_S = 5.0
_QUIET_LOOK_S = 2.0
_COUNTED = rf"^http\.{STATISTICS}\.downstream_rq_(total|5xx|active)$"


@dataclass(frozen=True)
class _Seen:
    """A look at the endpoints: after how many requests and tables, and until when it holds."""

    hosts: tuple[Host, ...] = ()
    requests: int = -1
    applies: int = -1
    until: float = 0.0


class EnvoyGateway:
    """Keeps the `Gateway` Protocol with Envoy; `hold` is how long a request may wait."""

    def __init__(self, folder: Path, listen: str, clock: Clock, hold: timedelta) -> None:
        self._folder = folder.absolute()
        ports = self._folder / "ports.json"
        self._clock = clock
        self._table = RouteTable()
        self._in_force: Snapshot | None = None
        self._applies = 0
        self._one_at_a_time = asyncio.Lock()
        self._starts: dict[Part, asyncio.Lock] = {"gateway": asyncio.Lock(), "room": asyncio.Lock()}
        self._unsettled = Wake()
        self._seen = _Seen()
        self._tasks = Tasks("gateway")
        self._use(
            Layout(
                folder=self._folder,
                listen=parse_address(listen),
                admin=remembered(ports, "admin") or free_address(),
                room=remembered(ports, "room") or free_address(),
                hold=hold,
            )
        )

    def _use(self, layout: Layout) -> None:
        self._layout = layout
        self._admin = Admin(layout.admin)
        self._counters = RoomClient(layout.room)
        self._parts = Parts(layout, self._admin, self._counters, self._clock)
        self._pusher = Pusher(layout, self._admin, self._folder / "envoy.log")
        self._gate = Gate(layout, self._admin)

    async def open(self) -> None:
        """Adopt what runs, start what does not; `Conflict` when a port is taken."""
        self._layout.resource_file("any").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with locked(self._folder / "lock"):
            try:
                adopted = await self._open_parts()
            except BaseException:
                await self._parts.undo()
                await self._hang_up()
                raise
        self._tasks.loop("gate", self._watch_gate)
        if adopted:
            await self.apply(self._table)

    async def apply(self, table: RouteTable) -> Applied:
        """Serve `table`; see the Protocol."""
        async with self._one_at_a_time:
            if self._in_force is not None and table == self._table:
                self._gate.announce(self._table)
                return Applied(version=self._in_force.version)
            self._applies += 1
            new = snapshot(table, self._layout)
            if self._in_force is not None and self._in_force.version == new.version:
                self._take(table, new)
                self._gate.announce(table)
                return Applied(version=new.version)
            self._gate.announce(table)
            rejected = await self._push(new)
            if rejected:
                version = self._in_force.version if self._in_force is not None else ""
                return Applied(version=version, rejected=rejected)
            old = self._table
            self._take(table, new)
            await self._gate.settle(old, table)
            self._unsettled.ring()
            return Applied(version=new.version)

    async def sample(self) -> GatewaySample:
        """Return the counters of now; `Unavailable` while Envoy is down."""
        counted = await self._admin.statistics(_COUNTED)
        hosts = await self._hosts(_count(counted, "total"), _count(counted, "active"))
        room = await self._room_counters()
        return GatewaySample(
            monotonic_s=self._clock.monotonic(),
            endpoints=tuple(_sample(host) for host in hosts if host.priority == 0),
            requests=_count(counted, "total"),
            answers_5xx=_count(counted, "5xx"),
            waiting=room.waiting if room is not None else 0,
            room_answers=room is not None,
        )

    async def _hosts(self, requests: int, active: int) -> tuple[Host, ...]:
        """Return what Envoy sees of the endpoints; a look that costs is taken when it may tell.

        While no request comes the counters stand still, and only health is looked at.
        """
        loop, seen = asyncio.get_running_loop(), self._seen
        is_quiet = not active and seen.requests == requests and seen.applies == self._applies
        if is_quiet and loop.time() < seen.until:
            return seen.hosts
        applies, hosts = self._applies, await self._look()
        self._seen = _Seen(hosts, requests, applies, loop.time() + _QUIET_LOOK_S)
        return hosts

    async def _room_counters(self) -> RoomCounters | None:
        try:
            return await self._counters.counters()
        except Unavailable:
            return None  # Envoy's figures still hold

    def watch(self) -> AsyncIterator[tuple[Part, Exit]]:
        """Yield each part that dies, at once."""
        return self._parts.ends()

    def runs(self, part: Part) -> bool:
        """Return whether a part's process is there now."""
        return self._parts.runs(part)

    async def answers(self, part: Part) -> bool:
        """Return whether a part answers; true while it is being started."""
        return self._starts[part].locked() or await self._parts.answers(part)

    async def restart(self, part: Part) -> None:
        """Start a part that died or hangs; `Unavailable` with its last words when that fails."""
        async with self._starts[part]:
            if self._parts.runs(part):
                if await self._parts.answers(part):
                    return
                await self._parts.kill(part)
            if part == "gateway":
                self._gate.forget()
                self._seen = _Seen()
            await self._parts.start(part)
        self._unsettled.ring()

    async def close(self, *, stop: bool) -> None:
        """Stop watching; with `stop`, drain and end both processes."""
        await self._tasks.drain()
        if stop:
            await self._drain()
        await self._parts.close(stop=stop)
        await self._hang_up()

    async def _hang_up(self) -> None:
        await self._admin.close()
        await self._counters.close()

    async def _open_parts(self) -> bool:
        """Return whether Envoy was adopted; both parts run then."""
        envoy = await self._parts.adopt("gateway")
        if not envoy or not self._listens_here():
            require_free(self._layout.listen)
        room = await self._parts.adopt("room")
        await self._choose_ports(envoy=envoy, room=room)
        self._table = self._remembered_table(with_endpoints=envoy)
        self._gate.announce(self._table)
        if not room:
            await self._parts.start("room")
        if not envoy:
            await self._first_start()
        return envoy

    async def _choose_ports(self, *, envoy: bool, room: bool) -> None:
        """Keep the ports of what runs; replace those that somebody else took meanwhile."""
        layout = self._layout
        if not envoy and not can_listen(layout.admin):
            layout = replace(layout, admin=free_address())
        if not room and not can_listen(layout.room):
            layout = replace(layout, room=free_address())
        if layout != self._layout:
            await self._parts.close(stop=False)
            await self._hang_up()
            self._use(layout)
            if envoy:
                await self._parts.adopt("gateway")
            if room:
                await self._parts.adopt("room")
        remember(self._folder / "ports.json", admin=layout.admin, room=layout.room)

    async def _first_start(self) -> None:
        """Start Envoy with the old routes but no endpoints: others may have their ports by now."""
        new = snapshot(self._table, self._layout)
        write_whole(self._folder / "boot.json", json.dumps(boot(self._layout)))
        self._pusher.write_all(new)
        await self._parts.start("gateway")
        self._in_force = new

    def _listens_here(self) -> bool:
        return listener_name(self._layout) in (read_text(self._layout.resource_file("lds")) or "")

    def _remembered_table(self, *, with_endpoints: bool) -> RouteTable:
        try:
            text = read_text(self._folder / "table.json") or "{}"
            table = RouteTable.model_validate_json(text)
        except ValidationError:
            return RouteTable()
        return table if with_endpoints else _without_endpoints(table, {})

    def _take(self, table: RouteTable, new: Snapshot) -> None:
        self._in_force = new
        if table != self._table:
            self._table = table
            write_whole(self._folder / "table.json", table.model_dump_json())

    async def _push(self, new: Snapshot) -> tuple[str, ...]:
        """Push; whatever fails, the room is told the old table again."""
        rejected = ("interrupted",)
        try:
            rejected = await self._pusher.push(new)
        finally:
            if rejected:
                self._gate.announce(self._table)
        return rejected

    async def _look(self) -> tuple[Host, ...]:
        """Return what Envoy sees; the room hears of it unless a table came in between."""
        applies = self._applies
        hosts = await self._admin.hosts()
        if applies == self._applies and not self._one_at_a_time.locked():
            self._gate.note(self._table, hosts)
            self._unsettled.ring()
        return hosts

    async def _watch_gate(self) -> None:
        """Look again and again as long as an endpoint has not passed; otherwise sleep."""
        loop = asyncio.get_running_loop()
        while True:
            await self._unsettled.wait(_IDLE_S)
            while not self._gate.has_all(self._table):
                started = loop.time()
                try:
                    await self._look()
                except Unavailable:
                    self._gate.forget()
                cost = loop.time() - started
                await asyncio.sleep(max(_GATE_POLL_S, cost * _GATE_POLL_SHARE))

    async def _drain(self) -> None:
        """Let what is under way finish; who waits in the room is told to come again."""
        with contextlib.suppress(OSError):  # a disk that may not be written keeps nobody running
            self._gate.announce(_without_endpoints(self._table, {"waiting": Waiting.FAIL}))
        with contextlib.suppress(Unavailable, TimeoutError):
            await self._admin.drain()
            async with asyncio.timeout(_DRAIN_LIMIT_S):
                await self._becomes_idle()

    async def _becomes_idle(self) -> None:
        while True:  # asked again and again: another process has no event to wait for
            if not _count(await self._admin.statistics(_COUNTED), "active"):
                return
            await asyncio.sleep(_POLL_S)


def _without_endpoints(table: RouteTable, change: dict[str, object]) -> RouteTable:
    update = {"endpoints": (), **change}
    return RouteTable(backends=tuple(b.model_copy(update=update) for b in table.backends))


def _sample(host: Host) -> EndpointSample:
    return EndpointSample(
        service=ServiceName(host.service),
        address=host.address,
        requests=host.requests,
        errors=host.errors,
        active=host.active,
        healthy=host.healthy,
    )


def _count(statistics: dict[str, int | str], name: str) -> int:
    value = statistics.get(f"http.{STATISTICS}.downstream_rq_{name}", 0)
    return value if isinstance(value, int) else 0
