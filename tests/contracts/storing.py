"""What the store's suites share: a store on each database, and values to put into it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dreamnet.drivers.store.sql import SqlStore
from dreamnet.model.actions import Action, ActionId, ActionPhase, Agent, Office, Proposal, Verb
from dreamnet.model.cases import Case, CaseId, CaseKind
from dreamnet.model.messages import Message, MessageId

NOW = datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = 3 * SECOND


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty store may be opened, on each database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return tmp_path / "data" / "dreamnet.db"


@pytest.fixture
async def store(place: str | Path) -> AsyncGenerator[SqlStore]:
    """An opened, empty store on each database."""
    opened = SqlStore(place)
    await opened.open()
    yield opened
    await opened.close()


def a_case(name: str = "c1", **changes: object) -> Case:
    """Return a live dream."""
    values = {
        "id": CaseId(name),
        "kind": CaseKind.DREAM,
        "target": "shop/1",
        "fingerprint": "exit",
        "phase": "open",
        "live": True,
        "opened": NOW,
        "updated": NOW,
        "data": {"tries": [1, 2.5, None, "ä\0\ud800"]},
    }
    return Case.model_validate(values | changes)


def an_action(name: str = "a1", **changes: object) -> Action:
    """Return a permitted restart; `target`, `disruptive`, `case`, `key` go into its proposal."""
    values: dict[str, object] = {
        "key": f"key-{name}",
        "agent": Agent.DREAMKEEPER,
        "performer": Agent.DEPLOYKEEPER,
        "office": Office.HEAL,
        "verb": Verb.RESTART,
        "target": "shop/1",
        "case": "c1",
    }
    proposal = values | {name: changes.pop(name) for name in tuple(changes) if name in _PROPOSED}
    action = {"id": ActionId(name), "phase": ActionPhase.PERMITTED, "at": NOW}
    return Action.model_validate(action | changes | {"proposal": Proposal.model_validate(proposal)})


_PROPOSED = frozenset(Proposal.model_fields)


def a_message(name: str = "m1", **changes: object) -> Message:
    """Return a message from dreamkeeper to deploykeeper."""
    values = {
        "id": MessageId(name),
        "at": NOW,
        "sender": Agent.DREAMKEEPER,
        "to": Agent.DEPLOYKEEPER,
        "message": "health-check-failed-needs-restart",
        "payload": {"case": "c1", "target": "shop/1"},
    }
    return Message.model_validate(values | changes)
