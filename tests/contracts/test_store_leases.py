"""The contract of claims and their leases on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest

from dreamnet.drivers.store.sql import SqlStore
from dreamnet.model.actions import ActionPhase, Agent
from tests.contracts.storing import LEASE, NOW, SECOND, an_action, place, store
from tests.postgres import postgres_database, postgres_server, postgres_url

__all__ = ["place", "postgres_database", "postgres_server", "postgres_url", "store"]

KEEPER = Agent.DEPLOYKEEPER


async def test_a_claim_is_exclusive_until_its_lease_ends(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.actions.insert(an_action()))
    assert await store.tx(lambda tx: tx.actions.claim(Agent.WEAVER, "n1", NOW, LEASE)) == []
    [mine] = await store.tx(lambda tx: tx.actions.claim(KEEPER, "n1", NOW, LEASE))
    assert (mine.phase, mine.fence, mine.lease_owner) == (ActionPhase.CLAIMED, 1, "n1")
    assert mine.lease_until == NOW + LEASE
    soon, late = NOW + 2 * SECOND, NOW + 5 * SECOND
    assert await store.tx(lambda tx: tx.actions.claim(KEEPER, "n2", soon, LEASE)) == []
    assert await store.tx(lambda tx: tx.actions.renew(mine, NOW + 4 * SECOND))
    assert await store.tx(lambda tx: tx.actions.claim(KEEPER, "n2", NOW + LEASE, LEASE)) == []
    [theirs] = await store.tx(lambda tx: tx.actions.claim(KEEPER, "n2", late, LEASE))
    assert (theirs.fence, theirs.lease_owner) == (2, "n2")


async def test_a_performer_that_lost_its_lease_is_void(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.actions.insert(an_action()))
    [old] = await store.tx(lambda tx: tx.actions.claim(KEEPER, "n1", NOW, LEASE))
    late = NOW + 9 * SECOND
    [new] = await store.tx(lambda tx: tx.actions.claim(KEEPER, "n2", late, LEASE))
    assert not await store.tx(lambda tx: tx.actions.renew(old, late + LEASE))
    done = ActionPhase.SUCCEEDED
    assert not await store.tx(lambda tx: tx.actions.finish(old, done, "late", late))
    assert await store.tx(lambda tx: tx.actions.finish(new, done, "up", late))
    assert not await store.tx(lambda tx: tx.actions.finish(new, done, "twice", late))
    ended = await store.read(lambda tx: tx.actions.get(new.id))
    assert ended is not None
    assert (ended.phase, ended.detail, ended.ended) == (done, "up", late)
    with pytest.raises(ValueError, match="final"):
        await store.tx(lambda tx: tx.actions.finish(new, ActionPhase.CLAIMED, "", late))


async def test_what_a_dead_owner_held_is_free_at_once_and_its_outcomes_are_void(
    store: SqlStore,
) -> None:
    for number in (1, 2, 3):
        action = an_action(f"a{number}", target=f"shop/{number}")
        await store.tx(lambda tx, action=action: tx.actions.insert(action))
        owner = "dead" if number < 3 else "alive"
        await store.tx(lambda tx, owner=owner: tx.actions.claim(KEEPER, owner, NOW, LEASE))
    ended = an_action("a1", fence=1)
    await store.tx(lambda tx: tx.actions.finish(ended, ActionPhase.SUCCEEDED, "", NOW))
    assert await store.tx(lambda tx: tx.actions.release("dead", NOW)) == 1
    old, done = an_action("a2", fence=1), ActionPhase.SUCCEEDED
    assert not await store.tx(lambda tx: tx.actions.renew(old, NOW + LEASE))
    assert not await store.tx(lambda tx: tx.actions.finish(old, done, "late", NOW))
    [taken] = await store.tx(lambda tx: tx.actions.claim(KEEPER, "dead", NOW, LEASE))
    assert (taken.id, taken.fence) == ("a2", 3)
    assert not await store.tx(lambda tx: tx.actions.finish(old, done, "late", NOW))
    assert await store.tx(lambda tx: tx.actions.finish(taken, done, "up", NOW))


async def test_of_many_that_claim_at_once_each_action_goes_to_one(store: SqlStore) -> None:
    for number in range(12):
        action = an_action(f"a{number}", target=f"shop/{number}")
        await store.tx(lambda tx, action=action: tx.actions.insert(action))
    claims = await asyncio.gather(
        *(store.tx(lambda tx, n=n: tx.actions.claim(KEEPER, f"n{n}", NOW, LEASE)) for n in range(9))
    )
    claimed = [action.id for claim in claims for action in claim]
    assert len(claimed) == len(set(claimed)) == 12
