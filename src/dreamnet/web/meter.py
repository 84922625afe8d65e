"""Feeds the node's metrics from facts, new rows of the ledger and the gateway's counters."""

from __future__ import annotations

import asyncio
from typing import Any

from dreamnet.drivers.bus.base import Bus
from dreamnet.drivers.store.base import LedgerRow
from dreamnet.kernel.errors import DreamNetError
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.events import EventKind
from dreamnet.model.facts import Probed
from dreamnet.model.routes import GatewaySample
from dreamnet.model.services import ServiceName
from dreamnet.senses.telemetry import answers
from dreamnet.web.handles import Handles

LOOK_EVERY_S = 1.0
BEAT_S = 0.25
ROWS_AT_ONCE = 500

_RESTARTING = frozenset({"restart", "replace"})


class Meter:
    """Counts what happens from its start on; earlier rows of the ledger are not counted."""

    def __init__(self, handles: Handles, bus: Bus) -> None:
        self._handles = handles
        self._bus = bus
        self._seen: int | None = None
        self._phases: dict[str, str] = {}
        self._sample: GatewaySample | None = None

    async def run(self) -> None:
        """Measure for ever."""
        world = self._handles.world
        self._handles.metrics.know([*world.services, *world.outside.watches])
        async with Tasks("meter") as tasks:
            tasks.loop("facts", self._facts)
            tasks.loop("ledger", self._ledger)
            tasks.loop("lag", self._lag)
            await asyncio.Event().wait()

    async def _facts(self) -> None:
        facts = self._bus.subscribe()
        try:
            async for fact in facts:
                if isinstance(fact, Probed):
                    self._handles.metrics.probed(
                        fact.service,
                        fact.aspect,
                        good=fact.good,
                        seconds=fact.took_ms / 1000,
                        late_s=fact.late_ms / 1000,
                    )
        finally:
            facts.close()

    async def _lag(self) -> None:
        clock = self._handles.world.clock
        while True:
            due = clock.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._handles.metrics.loop_lagged(max(0.0, clock.monotonic() - due))

    async def _ledger(self) -> None:
        while True:
            self.count_requests()
            try:
                more = await self.count_rows()
            except DreamNetError:
                more = False
            if not more:
                await asyncio.sleep(LOOK_EVERY_S)

    def count_requests(self) -> None:
        """Count what the gateway did since the last look at it."""
        before, after = self._sample, self._handles.sample()
        if after is None or after is before:
            return
        self._sample = after
        if before is None:
            return  # an adopted gateway has counted long before this node began
        for one in answers(before, after, self._handles.world.clock.now()):
            self._handles.metrics.answered(one.service, requests=one.requests, errors=one.errors)

    async def count_rows(self) -> bool:
        """Count the new rows of the ledger; true when there may be more."""
        store = self._handles.store
        if self._seen is None:
            last = await store.read(lambda tx: tx.ledger.tail(1))
            self._seen = last[-1].seq if last else 0
        after = self._seen
        rows = await store.read(lambda tx: tx.ledger.tail(ROWS_AT_ONCE, after))
        for row in rows:
            self._seen = row.seq
            self._count(row)
        return len(rows) == ROWS_AT_ONCE

    def _count(self, row: LedgerRow) -> None:
        match row.kind:
            case EventKind.DREAM:
                self._dream(row)
            case (
                EventKind.ACTION_SUCCEEDED
                | EventKind.ACTION_FAILED
                | EventKind.ACTION_DENIED
                | EventKind.ACTION_OBSERVED
            ):
                self._action(row.body, row.kind)
            case EventKind.ACTION_REFUSED:
                self._action(row.body.get("proposal", {}), row.kind)
            case _:
                pass

    def _dream(self, row: LedgerRow) -> None:
        """Count each change of phase once; a story has many rows in one phase."""
        dream, phase = str(row.body.get("dream")), str(row.body.get("phase"))
        before = self._phases.get(dream)
        if phase == before:
            return
        self._phases[dream] = phase
        service = row.subject.partition("/")[0]
        symptom = str(row.body.get("symptom"))
        metrics = self._handles.metrics
        if phase == "open":
            metrics.dream_opened(service, symptom)
        elif phase == "escalated":
            metrics.dream_escalated(service, symptom)
        elif phase == "resolved":
            metrics.dream_resolved(service, symptom)
            self._phases.pop(dream)

    def _action(self, proposal: dict[str, Any], kind: str) -> None:
        verb, target = str(proposal.get("verb")), str(proposal.get("target"))
        outcome = kind.removeprefix("action-")
        self._handles.metrics.action_ended(str(proposal.get("office")), verb, outcome)
        if outcome == "succeeded" and verb in _RESTARTING:
            service, _, slot = target.partition("/")
            wanted = self._handles.world.desired.get(ServiceName(service), 1)
            for _ in range(1 if slot else wanted):
                self._handles.metrics.restarted(service)
