"""Who waits, who goes back to the instances, who is refused: the rules of the room."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from dreamnet.room.dialler import TICK_S, Dialler
from dreamnet.room.rules import Rule, read_rules

_UNKNOWN_HOLD_S = 1.0
_REMEMBERED = 5_000
_GATEWAY_NOTICES_S = 0.7  # the gateway's own check runs each 0.5 s
# How long a request waits before it is sent back, by how often it came back although its service
# is ready: the gateway's own view lags by up to a second and must not eat all tries at once.
BOUNCE_PAUSES_S = (0.0, 0.05, 0.4, 1.5)


@dataclass
class Counters:
    """What the room did since its start; `waiting` is now."""

    waiting: int = 0
    held: int = 0
    released: int = 0
    refused: int = 0
    left: int = 0


@dataclass(frozen=True)
class Bounds:
    """How many requests may wait: in all and for one service."""

    total: int = 4000
    per_service: int = 2000


@dataclass
class Visit:
    """What is remembered of a request between its visits, by its request id."""

    first_s: float
    bounces: int = 0


class Guest(Protocol):
    """A request that waits."""

    service: str
    request_id: bytes
    since_s: float
    visit: Visit

    def answer_retry(self) -> None:
        """Send it back to the instances."""
        ...

    def answer_refused(self, why: str) -> None:
        """Tell the client to come again later."""
        ...


class Room:
    """Decides who waits, who goes back and who is refused."""

    def __init__(self, state_file: str, bounds: Bounds) -> None:
        self.counters = Counters()
        self._file = state_file
        self._bounds = bounds
        self._stamp: tuple[int, int] | None = None
        self._rules: dict[str, Rule] = {}
        self._waiting: dict[str, set[Guest]] = {}
        self._visits: OrderedDict[bytes, Visit] = OrderedDict()
        self._refused: dict[str, tuple[float, Rule]] = {}
        self._dialler = Dialler()
        self._rounds: dict[str, asyncio.Task[None]] = {}

    def enter(self, guest: Guest) -> None:
        """Take a request in; it is answered now or in a later round."""
        places = self._waiting.get(guest.service, set())
        if len(places) >= self._bounds.per_service or self.counters.waiting >= self._bounds.total:
            self.refuse(guest, "too many requests wait")
            return
        self._waiting[guest.service] = places
        guest.visit = self._visit(guest)
        places.add(guest)
        self.counters.waiting += 1
        self.counters.held += 1
        if guest.service not in self._rounds:
            task = asyncio.get_running_loop().create_task(self._attend(guest.service))
            self._rounds[guest.service] = task

    def leave(self, guest: Guest) -> bool:
        """Free the place of a request; false when it had none."""
        places = self._waiting.get(guest.service, set())
        if guest not in places:
            return False
        places.discard(guest)
        self.counters.waiting -= 1
        if not places:
            del self._waiting[guest.service]
        return True

    def refuse(self, guest: Guest, why: str) -> None:
        """Answer finally; the gateway passes it to the client."""
        self.counters.refused += 1
        guest.answer_refused(why)

    def _visit(self, guest: Guest) -> Visit:
        now = asyncio.get_running_loop().time()
        if not guest.request_id:
            return Visit(now)
        visit = self._visits.setdefault(guest.request_id, Visit(now))
        while len(self._visits) > _REMEMBERED:
            self._visits.popitem(last=False)
        return visit

    async def _attend(self, service: str) -> None:
        """Look at a service's waiting requests each tick as long as there are any."""
        try:
            while service in self._waiting:
                self._reread()
                await self._look(service)
                await asyncio.sleep(TICK_S)
        finally:
            del self._rounds[service]

    def _reread(self) -> None:
        try:
            status = os.stat(self._file)  # noqa: PTH116  # pathlib costs 2 MB here
        except OSError:
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._stamp = stamp
            self._rules = read_rules(self._file) or self._rules

    async def _look(self, service: str) -> None:
        rule = self._rules.get(service)
        if rule is None:
            self._time_out(service, _UNKNOWN_HOLD_S, "this service is not known here")
            return
        if rule.state == "fail":
            for guest in list(self._waiting.get(service, ())):
                self._end(guest, "the service is down")
            return
        if rule.state != "ready":
            self._note_hold(service)
        elif await self._is_reachable(service, rule):
            self._release(service)
        self._time_out(service, rule.hold_s, "no instance became ready in time")

    async def _is_reachable(self, service: str, rule: Rule) -> bool:
        """Tell whether an instance listens, and the gateway had time to see that it does again."""
        now = asyncio.get_running_loop().time()
        if not await self._listens(rule):
            self._refused[service] = (now, rule)
            return False
        refused_s, refused_rule = self._refused.get(service, (0.0, None))
        if refused_rule == rule and now - refused_s < _GATEWAY_NOTICES_S:
            return False
        self._refused.pop(service, None)
        return True

    async def _listens(self, rule: Rule) -> bool:
        known = self._dialler.listens(rule.endpoints)
        if known is None:
            await self._dialler.asked(rule.endpoints)
            known = self._dialler.listens(rule.endpoints)
        return bool(known)

    def _note_hold(self, service: str) -> None:
        self._refused.pop(service, None)
        for guest in self._waiting.get(service, ()):
            guest.visit.bounces = 0  # the next `ready` is news, so nobody pauses

    def _release(self, service: str) -> None:
        now = asyncio.get_running_loop().time()
        sent_back: dict[int, Visit] = {}
        for guest in list(self._waiting.get(service, ())):
            visit = guest.visit
            if visit.bounces >= len(BOUNCE_PAUSES_S):
                self._end(guest, "the service's answers fail")
            elif now - guest.since_s >= BOUNCE_PAUSES_S[visit.bounces] and self.leave(guest):
                sent_back[id(visit)] = visit
                self.counters.released += 1
                guest.answer_retry()
        for visit in sent_back.values():  # hedged tries of one request come back as one
            visit.bounces += 1

    def _time_out(self, service: str, limit_s: float, why: str) -> None:
        now = asyncio.get_running_loop().time()
        for guest in list(self._waiting.get(service, ())):
            if now - guest.visit.first_s >= limit_s:
                self._end(guest, why)

    def _end(self, guest: Guest, why: str) -> None:
        if self.leave(guest):
            self.refuse(guest, why)
