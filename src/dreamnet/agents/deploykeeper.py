"""DeployKeeper: the only one that touches platforms; performs what the desk let out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import assert_never

from dreamnet.agents.desk import LEASE, Desk
from dreamnet.agents.operations import Operations
from dreamnet.agents.world import World
from dreamnet.drivers.platforms.base import Platform
from dreamnet.drivers.store.base import Store
from dreamnet.kernel.errors import DreamNetError, UserError
from dreamnet.kernel.ids import fresh_id
from dreamnet.kernel.log import logger
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.actions import Action, ActionId, Agent, Office, Proposal, Verb
from dreamnet.model.instances import slot_target
from dreamnet.model.messages import Message
from dreamnet.model.services import ServiceName, Slot

# A failed action is not proposed again at once: each try costs ledger rows and messages.
REST_S = 5.0

log = logger("deploykeeper")


class DeployKeeper:
    """Claims actions, performs them through the platform, and keeps the wanted number started."""

    def __init__(
        self, store: Store, desk: Desk, world: World, platform: Platform, operations: Operations
    ) -> None:
        self._store = store
        self._desk = desk
        self._world = world
        self._platform = platform
        self._operations = operations
        self._tasks = Tasks("deploykeeper")
        self._performing: dict[ActionId, Action] = {}
        self._resting: dict[str, float] = {}
        self.wake = world.subscribe()

    async def receive(self, message: Message) -> None:
        """Look for work; the message says only that there may be some."""
        log.debug("message", message=message.message, payload=message.payload)
        self.wake.ring()

    async def tick(self) -> None:
        """Observe, perform what is permitted, and propose what is missing."""
        await self._perform_permitted()
        before = frozenset(self._world.instances)
        self._world.refresh(await self._platform.observe(), before)
        await self._reconcile()

    async def close(self) -> None:
        """Stop performing; claimed work is taken up by the next node."""
        await self._tasks.drain()

    async def _perform_permitted(self) -> None:
        for action in await self._desk.claim(Agent.DEPLOYKEEPER):
            is_new = action.id not in self._performing
            # Claimed again while under way (its lease ran out): the newer fence is the valid one.
            self._performing[action.id] = action
            if is_new:
                self._tasks.once(
                    f"perform {action.id}", lambda action=action: self._perform(action)
                )

    async def _perform(self, action: Action) -> None:
        proposal = action.proposal
        log.info("action", id=action.id, verb=str(proposal.verb), target=proposal.target)
        try:
            async with self._leased(action):
                detail = await self._do(action)
            succeeded = True
        except (DreamNetError, OSError) as error:
            detail, succeeded = str(error), False
            self._note_failed_start(action, detail)
        except Exception as error:
            log.exception("action failed in an unforeseen way", id=action.id)
            detail, succeeded = f"{type(error).__name__}; the node's log says more", False
        finally:
            action = self._performing.pop(action.id, action)
        if not succeeded:
            self._resting[proposal.target] = self._world.clock.monotonic() + REST_S
        held = await self._desk.finish(action, succeeded=succeeded, detail=detail)
        log.info("action ended", id=action.id, succeeded=succeeded, held=held, detail=detail)

    def _note_failed_start(self, action: Action, detail: str) -> None:
        service, _, slot = action.proposal.target.partition("/")
        if action.proposal.verb is Verb.STOP or not slot:
            return
        if self._world.is_vacant(ServiceName(service), Slot(int(slot))):
            self._world.mark_failed_start(action.proposal.target, detail)

    @asynccontextmanager
    async def _leased(self, action: Action) -> AsyncGenerator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                await self._desk.renew(self._performing.get(action.id, action))

        async with Tasks(f"lease {action.id}") as tasks:
            tasks.loop("renew", renew)
            yield

    async def _do(self, action: Action) -> str:
        proposal = action.proposal
        service, _, slot = proposal.target.partition("/")
        name = ServiceName(service)
        match proposal.verb:
            case Verb.START:
                return await self._operations.start(name, Slot(int(slot)), action.id)
            case Verb.STOP:
                return await self._operations.stop_slot(name, Slot(int(slot)))
            case Verb.RESTART:
                return await self._restart(name, slot, action)
            case Verb.REPLACE:
                return await self._operations.replace(name, Slot(int(slot)), action.id)
            case Verb.SCALE:
                return await self._scale(name, int(proposal.args["replicas"]))
            case _:
                assert_never(proposal.verb)

    async def _restart(self, name: ServiceName, slot: str, action: Action) -> str:
        if slot:
            return await self._operations.restart(name, Slot(int(slot)), action.id)
        self._operations.spec(name)
        for number in range(1, self._world.desired.get(name, 0) + 1):
            await self._operations.replace(name, Slot(number), f"{action.id}:{number}")
        return f"restarted {name}, one instance after the other"

    async def _scale(self, name: ServiceName, replicas: int) -> str:
        spec = self._operations.spec(name)
        if not 0 <= replicas <= spec.replicas.max:
            raise UserError.of(
                f"{name} cannot have {replicas} instances",
                where="replicas",
                mend=f"choose 0 to {spec.replicas.max}, or raise max in dreamnet.toml",
            )
        await self._store.tx(lambda tx: tx.services.want(name, replicas, spec.replicas.min))
        self._world.want(self._world.desired | {name: replicas})
        return f"{name} wants {replicas} instances"

    async def _reconcile(self) -> None:
        wanted = self._missing() + self._surplus()
        held = {action.proposal.target for action in self._performing.values()}
        due = [one for one in wanted if not (_is_busy(one.target, held) or self._rests(one.target))]
        if due:
            await self._store.tx(lambda tx: [self._desk.judge(tx, proposal) for proposal in due])

    def _rests(self, target: str) -> bool:
        return self._world.clock.monotonic() < self._resting.get(target, 0.0)

    def _missing(self) -> list[Proposal]:
        return [
            _own(Verb.START, slot_target(name, Slot(slot)), "wanted, and nothing is there")
            for name, count in self._world.desired.items()
            if name in self._world.services and name not in self._world.env_problems
            for slot in range(1, count + 1)
            if self._world.is_vacant(name, Slot(slot))
            and slot_target(name, Slot(slot)) not in self._world.failed_starts
        ]

    def _surplus(self) -> list[Proposal]:
        found = {
            seen.instance.target: seen.instance
            for seen in self._world.instances.values()
            if seen.instance.slot > self._world.desired.get(seen.instance.service, 0)
        }
        return [_own(Verb.STOP, target, "no longer wanted") for target in found]


def _is_busy(target: str, held: AbstractSet[str]) -> bool:
    return target in held or target.partition("/")[0] in held


def _own(verb: Verb, target: str, reason: str) -> Proposal:
    return Proposal(
        key=fresh_id("want"),
        agent=Agent.DEPLOYKEEPER,
        performer=Agent.DEPLOYKEEPER,
        office=Office.DEPLOY if verb is Verb.START else Office.SCALE,
        verb=verb,
        target=target,
        reason=reason,
    )
