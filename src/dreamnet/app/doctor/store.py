"""Rules about the store: reachable, of a known schema, every page and the whole ledger sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dreamnet.app.doctor.finding import Finding, fail, ok, warn


@dataclass(frozen=True)
class StoreFacts:
    """What was seen of the store; `problem` and `mend` say why no more could be seen."""

    place: str
    exists: bool
    engine: str = ""
    revision: str = ""
    newest_revision: str = ""
    damage: str = ""
    ledger_rows: int = 0
    broken_at: int | None = None
    broken_why: str = ""
    problem: str = ""
    mend: str = ""
    backup: str = ""


def judge_store(store: StoreFacts) -> Iterator[Finding]:
    """Judge the store."""
    if not store.exists:
        yield ok("store", "none yet; the first dreamnet up makes it", store.place)
        return
    if store.problem:
        yield fail("store", store.problem, store.place, store.mend)
        return
    if store.damage:
        yield fail("store", f"damaged: {store.damage}", store.place, _restore(store))
        return
    yield ok("store", f"{store.engine}, sound", store.place)
    yield from _schema(store)
    yield _ledger(store)


def _schema(store: StoreFacts) -> Iterator[Finding]:
    if store.revision != store.newest_revision:
        seen = f"{store.revision}; this DreamNet's is {store.newest_revision}"
        yield warn("schema", seen, store.place, "dreamnet backup; the next dreamnet up updates it")


def _ledger(store: StoreFacts) -> Finding:
    if store.broken_at is None:
        return ok("ledger", f"whole: {store.ledger_rows} rows")
    seen = f"broken at row {store.broken_at}: {store.broken_why}"
    return fail("ledger", seen, store.place, _restore(store))


def _restore(store: StoreFacts) -> str:
    newest = store.backup or "BACKUP"
    return f"dreamnet down --node-only, then: dreamnet restore {newest} --force"
