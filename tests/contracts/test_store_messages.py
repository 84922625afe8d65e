"""The contract of messages on SQLite and PostgreSQL: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dreamnet.drivers.store.base import Tx
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.model.actions import Agent
from dreamnet.model.messages import Delivery, DeliveryState, MessageId
from dreamnet.testing.store import memory_store
from tests.contracts.storing import LEASE, NOW, SECOND, a_message, place, store
from tests.contracts.test_store_ledger import harm
from tests.postgres import postgres_database, postgres_server, postgres_url

__all__ = ["place", "postgres_database", "postgres_server", "postgres_url", "store"]

KEEPER = Agent.DEPLOYKEEPER


async def lease(store: SqlStore, owner: str = "n1", at: datetime = NOW) -> list[Delivery]:
    """Lease what is due for the keeper."""
    return await store.tx(lambda tx: tx.messages.lease(KEEPER, owner, at, LEASE))


async def delivery(store: SqlStore, name: str = "m1") -> Delivery:
    """Read one delivery that is there."""
    found = await store.read(lambda tx: tx.messages.get(MessageId(name)))
    assert found is not None
    return found


async def test_a_send_is_a_row_of_the_ledger(store: SqlStore) -> None:
    message = a_message(payload={"case": "c1", "text": "ä\0"})
    assert await store.tx(lambda tx: tx.messages.send(message))
    [row] = await store.read(lambda tx: tx.ledger.tail(9))
    assert (row.kind, row.subject) == ("message", "m1")
    assert type(message).model_validate(row.body) == message
    queued = await delivery(store)
    assert (queued.message, queued.state, queued.attempts) == (message, DeliveryState.QUEUED, 0)
    assert await store.read(lambda tx: tx.messages.get(MessageId("other"))) is None


async def test_a_second_send_of_an_id_is_ignored(store: SqlStore) -> None:
    sent = await asyncio.gather(
        *(store.tx(lambda tx: tx.messages.send(a_message())) for _ in range(12))
    )
    assert sum(sent) == 1
    assert len(await store.read(lambda tx: tx.ledger.tail(99))) == 1
    check = await store.read(lambda tx: tx.ledger.verify())
    assert (check.rows, check.broken_at) == (1, None)


async def test_rows_and_messages_of_one_transaction_keep_their_order(store: SqlStore) -> None:
    def work(tx: Tx) -> None:
        tx.ledger.append("before", "s", {}, NOW)
        tx.messages.send(a_message("m1"))
        tx.messages.send(a_message("m1"))
        tx.ledger.append("between", "s", {}, NOW)
        tx.messages.send(a_message("m2"))

    await store.tx(work)
    rows = await store.read(lambda tx: tx.ledger.tail(9))
    assert [row.kind for row in rows] == ["before", "message", "between", "message"]
    assert [row.seq for row in rows] == [1, 2, 3, 4]


async def test_messages_are_leased_in_the_order_they_were_sent(store: SqlStore) -> None:
    for name in ("z", "a", "m"):
        await store.tx(lambda tx, name=name: tx.messages.send(a_message(name)))
    await store.tx(lambda tx: tx.messages.send(a_message("x", to=Agent.WEAVER)))
    leased = await lease(store)
    assert [one.message.id for one in leased] == ["z", "a", "m"]
    assert {(one.state, one.attempts) for one in leased} == {(DeliveryState.LEASED, 1)}
    assert await lease(store, "n2") == []


async def test_an_expired_lease_is_delivered_again(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.messages.send(a_message()))
    await lease(store)
    assert await lease(store, "n2", NOW + 2 * SECOND) == []
    [again] = await lease(store, "n2", NOW + 3 * SECOND)
    assert again.attempts == 2


async def test_of_many_that_lease_at_once_each_message_goes_to_one(store: SqlStore) -> None:
    for number in range(20):
        await store.tx(lambda tx, n=number: tx.messages.send(a_message(f"m{n}")))
    leases = await asyncio.gather(*(lease(store, f"n{n}") for n in range(8)))
    leased = [one.message.id for batch in leases for one in batch]
    assert len(leased) == len(set(leased)) == 20


async def test_a_message_is_acknowledged_once(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.messages.send(a_message()))
    await lease(store)
    known = MessageId("m1")
    assert await store.tx(lambda tx: tx.messages.acknowledge(known, NOW))
    assert not await store.tx(lambda tx: tx.messages.acknowledge(known, NOW))
    assert not await store.tx(lambda tx: tx.messages.acknowledge(MessageId("x"), NOW))
    await store.tx(lambda tx: tx.messages.refuse(known, "late", NOW))
    assert (await delivery(store)).state is DeliveryState.DELIVERED
    assert await lease(store, "n2", NOW + 99 * SECOND) == []


async def test_a_refused_message_comes_back_when_it_is_due(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.messages.send(a_message()))
    await lease(store)
    later = NOW + 5 * SECOND
    await store.tx(lambda tx: tx.messages.refuse(MessageId("m1"), "busy \0", later))
    back = await delivery(store)
    assert (back.state, back.due, back.error) == (DeliveryState.QUEUED, later, "busy \ufffd")
    assert await lease(store, at=NOW + 4 * SECOND) == []
    [again] = await lease(store, at=later)
    assert again.attempts == 2


async def test_a_dead_letter_stays_until_somebody_delivers_it(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.messages.send(a_message()))
    known = MessageId("m1")
    await store.tx(lambda tx: tx.messages.refuse(known, "no such service", None))
    await store.tx(lambda tx: tx.messages.refuse(known, "late", NOW))
    dead = await delivery(store)
    assert (dead.state, dead.error) == (DeliveryState.DEAD, "no such service")
    assert await lease(store, at=NOW + 99 * SECOND) == []
    assert await store.tx(lambda tx: tx.messages.prune(NOW + 99 * SECOND)) == 0
    assert await store.tx(lambda tx: tx.messages.acknowledge(known, NOW))
    assert (await delivery(store)).state is DeliveryState.DELIVERED


async def test_messages_are_found_by_case_and_pruned_when_delivered(store: SqlStore) -> None:
    cases = {"m1": "c1", "m2": "c2", "m3": "c1", "m4": 7}
    for name, case in cases.items():
        message = a_message(name, payload={"case": case})
        await store.tx(lambda tx, message=message: tx.messages.send(message))
    recent = await store.read(lambda tx: tx.messages.recent(3))
    assert [one.message.id for one in recent] == ["m4", "m3", "m2"]
    of_case = await store.read(lambda tx: tx.messages.recent(9, "c1"))
    assert [one.message.id for one in of_case] == ["m3", "m1"]
    await store.tx(lambda tx: tx.messages.acknowledge(MessageId("m1"), NOW))
    assert await store.tx(lambda tx: tx.messages.prune(NOW)) == 0
    assert await store.tx(lambda tx: tx.messages.prune(NOW + SECOND)) == 1
    assert len(await store.read(lambda tx: tx.messages.recent(9))) == 3


async def test_words_of_a_newer_version_pass_through(store: SqlStore, place: str | Path) -> None:
    await store.tx(lambda tx: tx.messages.send(a_message()))
    harm(
        place,
        "UPDATE deliveries SET content = replace(content, '\"dreamkeeper\"', '\"dreamer\"')",
    )
    [leased] = await lease(store)
    assert leased.message.sender == "dreamer"
    harm(place, "UPDATE deliveries SET state = 'parked'")
    assert (await delivery(store)).state == "parked"
    assert await lease(store, "n2", NOW + 99 * SECOND) == []


EVENTS = st.lists(
    st.sampled_from(["lease", "lose", "acknowledge", "refuse", "bury", "send"]), max_size=12
)


@given(events=EVENTS)
@settings(max_examples=25)
def test_any_order_loss_or_repeat_ends_in_the_same_closed_state(events: list[str]) -> None:
    asyncio.run(_same_end(events))


async def _same_end(events: list[str]) -> None:
    """Whatever happened before: once acknowledged it is delivered, else the dead stay dead."""
    async with memory_store() as store:
        await store.tx(lambda tx: tx.messages.send(a_message()))
        at = NOW
        for event in events:
            at += SECOND if event == "lease" else 10 * SECOND
            await store.tx(lambda tx, event=event, at=at: _happen(tx, event, at))
        state = (await delivery(store)).state
        if "acknowledge" in events:
            assert state is DeliveryState.DELIVERED
        elif "bury" in events:
            assert state is DeliveryState.DEAD
        else:  # still open: the next lease after the last one ended gets it
            [again] = await lease(store, "last", at + 99 * SECOND)
            assert again.attempts <= events.count("lease") + events.count("lose") + 1
        await store.tx(lambda tx: tx.messages.acknowledge(MessageId("m1"), at))
        closed = await delivery(store)
        assert closed.state is DeliveryState.DELIVERED
        rows = await store.read(lambda tx: tx.ledger.tail(99))
        assert [row.kind for row in rows] == ["message"]


def _happen(tx: Tx, event: str, at: datetime) -> None:
    known = MessageId("m1")
    match event:
        case "lease" | "lose":  # a lost lease is one that nobody answers
            tx.messages.lease(KEEPER, event, at, LEASE)
        case "acknowledge":
            tx.messages.acknowledge(known, at)
        case "refuse":
            tx.messages.refuse(known, "busy", at)
        case "bury":
            tx.messages.refuse(known, "never", None)
        case _:
            tx.messages.send(a_message())
