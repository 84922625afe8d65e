"""The contract of waiting and observed actions on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from dreamnet.drivers.store.sql import SqlStore
from dreamnet.model.actions import ActionPhase
from tests.contracts.storing import NOW, SECOND, an_action, place, store
from tests.postgres import postgres_database, postgres_server, postgres_url

__all__ = ["place", "postgres_database", "postgres_server", "postgres_url", "store"]


async def test_a_withdrawn_action_frees_its_key_and_is_kept(store: SqlStore) -> None:
    old = an_action("a1", key="k", phase="proposed")
    await store.tx(lambda tx: tx.actions.insert(old))
    assert await store.tx(lambda tx: tx.actions.withdraw(old.id, "late", NOW))
    assert not await store.tx(lambda tx: tx.actions.withdraw(old.id, "twice", NOW))
    assert await store.read(lambda tx: tx.actions.by_key("k")) is None
    new = an_action("a2", key="k")
    await store.tx(lambda tx: tx.actions.insert(new))
    assert not await store.tx(lambda tx: tx.actions.withdraw(new.id, "decided", NOW))
    kept = await store.read(lambda tx: tx.actions.get(old.id))
    assert kept is not None
    assert (kept.phase, kept.detail, kept.ended) == (ActionPhase.REJECTED, "late", NOW)
    assert kept.proposal == old.proposal


async def test_actions_are_found_by_phase_and_time(store: SqlStore) -> None:
    for number, phase in enumerate(("proposed", "observed", "succeeded", "observed")):
        made = an_action(f"a{number}", phase=phase, target=f"shop/{number}")
        made = made.model_copy(update={"at": NOW + number * SECOND})
        await store.tx(lambda tx, made=made: tx.actions.insert(made))

    async def found(*phases: ActionPhase, since: datetime | None = None) -> list[str]:
        return [one.id for one in await store.read(lambda tx: tx.actions.in_phases(phases, since))]

    observed, waits = ActionPhase.OBSERVED, ActionPhase.PROPOSED
    assert await found(observed) == ["a1", "a3"]
    assert await found(observed, since=NOW + 2 * SECOND) == ["a3"]
    assert await found(waits, observed, since=NOW + SECOND) == ["a1", "a3"]
    assert await found(waits) == ["a0"]
    assert await found() == []
