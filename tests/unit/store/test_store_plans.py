"""The questions that loops ask every second read what is open, not the whole history."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from dreamnet.drivers.store.base import Tx
from dreamnet.model.actions import ActionPhase, Agent
from dreamnet.model.cases import CaseKind
from dreamnet.testing.store import temporary_store
from tests.contracts.storing import NOW

KEEPER = Agent.DEPLOYKEEPER
LEASE = timedelta(seconds=3)

POLLS = {
    "live cases": (
        lambda tx: tx.cases.live(CaseKind.DREAM),
        "cases USING INDEX cases_kind_live (kind=? AND live=?)",
    ),
    "claims": (
        lambda tx: tx.actions.claim(KEEPER, "n", NOW, LEASE),
        "actions USING INDEX actions_phase_performer (phase=? AND performer=?)",
    ),
    "active actions": (
        lambda tx: tx.actions.active(),
        "actions USING INDEX actions_phase_performer (phase=?)",
    ),
    "waiting actions": (
        lambda tx: tx.actions.in_phases({ActionPhase.PROPOSED}),
        "actions USING INDEX actions_phase_performer (phase=?)",
    ),
    "leases": (
        lambda tx: tx.messages.lease(KEEPER, "n", NOW, LEASE),
        "deliveries USING INDEX deliveries_recipient_state (recipient=? AND state=?)",
    ),
}


@pytest.mark.parametrize("poll", POLLS)
async def test_a_poll_uses_its_index(tmp_path: Path, poll: str) -> None:
    ask, plan = POLLS[poll]
    asked: list[str] = []

    def work(tx: Tx) -> None:
        connection = vars(tx.services)["_connection"].connection.dbapi_connection
        connection.set_trace_callback(asked.append)
        ask(tx)
        connection.set_trace_callback(None)

    async with temporary_store(tmp_path / "x.db") as store:
        await store.tx(work)
    database = sqlite3.connect(tmp_path / "x.db")
    plans = [row[3] for sql in asked for row in database.execute(f"EXPLAIN QUERY PLAN {sql}")]
    database.close()
    assert [line for line in plans if "B-TREE" not in line] == [f"SEARCH {plan}"]
