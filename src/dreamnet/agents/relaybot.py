"""RelayBot: carries durable messages from agent to agent, at least once, with dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from dreamnet.agents.beats import Beats
from dreamnet.drivers.store.base import Store, Tx
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import DreamNetError
from dreamnet.kernel.ids import fresh_id
from dreamnet.kernel.log import logger
from dreamnet.kernel.tasks import Wake
from dreamnet.model.actions import Agent
from dreamnet.model.messages import Delivery, Message, MessageId

LEASE = timedelta(seconds=3)
MOST_ATTEMPTS = 8
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0

Receiver = Callable[[Message], Awaitable[None]]

log = logger("relaybot")


class RelayBot:
    """The only one that delivers; agents whom nobody plays (operator, root) read in the store.

    It is also the only one that speaks outward: with `beats` it tells that this node is well.
    """

    def __init__(self, store: Store, clock: Clock, owner: str, beats: Beats | None = None) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._beats = beats
        self._receivers: dict[Agent, Receiver] = {}
        self.wake = Wake()

    def connect(self, receivers: Mapping[Agent, Receiver]) -> None:
        """Name who receives for which agent."""
        self._receivers.update(receivers)

    async def send(
        self, sender: Agent, to: Agent, message: str, payload: Mapping[str, Any]
    ) -> MessageId:
        """Queue a message; once this returns it is on disk and will be delivered."""
        made = Message(
            id=MessageId(fresh_id("msg")),
            at=self._clock.now(),
            sender=sender,
            to=to,
            message=message,
            payload=dict(payload),
        )

        def work(tx: Tx) -> None:
            tx.messages.send(made)
            tx.after_commit(self.wake.ring)

        await self._store.tx(work)
        return made.id

    async def receive(self, message: Message) -> None:
        """Take a message addressed to RelayBot itself: nothing is to be done."""
        log.info("message for relaybot", message=message.message, sender=message.sender)

    async def beat(self) -> None:
        """Tell the outside for ever that this node is well; without a heartbeat this only waits."""
        if self._beats is None:
            await asyncio.Event().wait()
        else:
            await self._beats.run()

    async def tick(self) -> None:
        """Deliver what is due to everyone."""
        for delivery in await self._lease():
            await self._deliver(delivery)

    async def _lease(self) -> list[Delivery]:
        now = self._clock.now()

        def work(tx: Tx) -> list[Delivery]:
            leased = (tx.messages.lease(agent, self._owner, now, LEASE) for agent in Agent)
            return [delivery for deliveries in leased for delivery in deliveries]

        return await self._store.tx(work)

    async def _deliver(self, delivery: Delivery) -> None:
        message = delivery.message
        receiver = self._receivers.get(message.to, _kept)
        try:
            await receiver(message)
        except (DreamNetError, OSError, ValueError) as error:
            await self._give_back(delivery, str(error))
            return
        except Exception as error:  # one bad message must not hold up those behind it
            log.exception("receiver failed in an unforeseen way", id=message.id, to=message.to)
            await self._give_back(delivery, type(error).__name__)
            return
        now = self._clock.now()
        await self._store.tx(lambda tx: tx.messages.acknowledge(message.id, now))

    async def _give_back(self, delivery: Delivery, error: str) -> None:
        message = delivery.message
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**delivery.attempts)
        dead = delivery.attempts >= MOST_ATTEMPTS
        due = None if dead else self._clock.now() + timedelta(seconds=pause)
        log.warning("not delivered", id=message.id, to=message.to, dead=dead, error=error)
        await self._store.tx(lambda tx: tx.messages.refuse(message.id, error, due))


async def _kept(message: Message) -> None:
    """Leave a message for whoever reads the store; it counts as delivered."""
