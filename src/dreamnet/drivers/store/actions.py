"""The drawer of actions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Executable,
    Row,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from dreamnet.drivers.store.codec import is_known, read_record, restore, write_record
from dreamnet.drivers.store.ledger import LedgerDrawer
from dreamnet.drivers.store.tables import actions as table
from dreamnet.kernel.log import logger
from dreamnet.model.actions import FINAL_PHASES, Action, ActionId, ActionPhase, Agent, Proposal
from dreamnet.model.cases import CaseId

log = logger("store")

_ACTIVE = (ActionPhase.PERMITTED, ActionPhase.CLAIMED)
_VERDICTS = (ActionPhase.PERMITTED, ActionPhase.REJECTED)

_ADD = insert(table).inline()
_BY_KEY = select(table).where(table.c.key == bindparam("key"))
_ONE = select(table).where(table.c.id == bindparam("action"))
_ACTIVE_ONES = select(table).where(table.c.phase.in_(_ACTIVE)).order_by(table.c.number)
_RECENT = select(table).order_by(table.c.number.desc()).limit(bindparam("count"))
_OF_CASE = select(table).where(table.c.case_id == bindparam("case")).order_by(table.c.number)
_IN_PHASES = (
    select(table)
    .where(
        table.c.phase.in_(bindparam("phases", expanding=True)),
        table.c.at >= bindparam("since"),
    )
    .order_by(table.c.number)
)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_CLAIMABLE = (
    select(table)
    .where(
        table.c.performer == bindparam("performer"),
        table.c.phase.in_(_ACTIVE),
        or_(table.c.phase == ActionPhase.PERMITTED, table.c.lease_until <= bindparam("now")),
    )
    .order_by(table.c.number)
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(table)
    .where(table.c.number.in_(bindparam("numbers", expanding=True)))
    .values(
        phase=ActionPhase.CLAIMED,
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        fence=table.c.fence + 1,
    )
    .returning(table)
)
_RELEASE = (
    update(table)
    .where(table.c.phase == ActionPhase.CLAIMED, table.c.lease_owner == bindparam("owner"))
    .values(lease_until=bindparam("now"), fence=table.c.fence + 1)
)
_DECIDE = (
    update(table)
    .where(table.c.id == bindparam("action"), table.c.phase == ActionPhase.PROPOSED)
    .values(phase=bindparam("verdict"), detail=bindparam("words"), ended=bindparam("over"))
)
_WITHDRAW = (
    update(table)
    .where(table.c.id == bindparam("action"), table.c.phase == ActionPhase.PROPOSED)
    .values(
        phase=ActionPhase.REJECTED,
        key=table.c.key + ":" + table.c.id,
        detail=bindparam("words"),
        ended=bindparam("over"),
    )
)
_HELD = update(table).where(
    table.c.id == bindparam("action"),
    table.c.fence == bindparam("held"),
    table.c.phase == ActionPhase.CLAIMED,
)
_RENEW = _HELD.values(lease_until=bindparam("until"))
_FINISH = _HELD.values(
    phase=bindparam("outcome"),
    detail=bindparam("words"),
    ended=bindparam("now"),
    lease_until=None,
)
_PRUNE = delete(table).where(table.c.ended < bindparam("before"))


class ActionsDrawer:
    """Actions in the table `actions`."""

    def __init__(self, connection: Connection, ledger: LedgerDrawer) -> None:
        self._connection = connection
        self._ledger = ledger
        self._active: list[Action] | None = None  # known until this transaction changes a phase

    def lock(self) -> None:
        """Let one judgement run at a time, on every node, until the transaction ends.

        The lock is the ledger's head, which a judgement takes anyway: two locks taken in different
        orders would let transactions lock each other out.
        """
        self._ledger.lock()

    def insert(self, action: Action) -> None:
        """Insert a new action; a known key or a second disruptive one on a target: `Conflict`."""
        proposal = action.proposal
        row = {name: getattr(action, name) for name in Action.model_fields}
        row |= {"proposal": write_record(proposal), "case_id": proposal.case}
        for name in ("key", "performer", "target", "disruptive"):
            row[name] = getattr(proposal, name)
        self._active = None
        self._connection.execute(_ADD, row)

    def by_key(self, key: str) -> Action | None:
        """Return the action that a proposal's key made."""
        return self._one(_BY_KEY, key=key)

    def get(self, action: ActionId) -> Action | None:
        """Return one action."""
        return self._one(_ONE, action=action)

    def active(self) -> list[Action]:
        """Return permitted and claimed actions, oldest first.

        A transaction that judges hundreds of proposals, most of them refused, reads them once.
        """
        if self._active is None:
            self._active = self._list(_ACTIVE_ONES)
        return list(self._active)

    def recent(self, limit: int) -> list[Action]:
        """Return the newest actions, newest first."""
        return self._list(_RECENT, count=limit)

    def of_case(self, case: CaseId) -> list[Action]:
        """Return the actions of a case, oldest first."""
        return self._list(_OF_CASE, case=case)

    def in_phases(
        self, phases: Collection[ActionPhase], since: datetime | None = None
    ) -> list[Action]:
        """Return the actions in these phases (proposed at or after `since`), oldest first."""
        return self._list(_IN_PHASES, phases=list(phases), since=since or _BEGINNING)

    def claim(self, performer: Agent, owner: str, now: datetime, lease: timedelta) -> list[Action]:
        """Lease every permitted (or expired claimed) action of a performer; the fence grows.

        What holds words that only a newer DreamNet knows stays unclaimed, for a node that does.
        """
        rows = self._connection.execute(_CLAIMABLE, {"performer": performer, "now": now}).all()
        numbers = [row.number for row in rows if _performable(row)]
        if not numbers:
            return []
        self._active = None
        values = {"numbers": numbers, "owner": owner, "until": now + lease}
        claimed = self._connection.execute(_CLAIM, values).all()
        return [_action(row) for row in sorted(claimed, key=lambda row: row.number)]

    def release(self, owner: str, now: datetime) -> int:
        """End the leases of an owner that is dead: they can be claimed at once; returns how many.

        The fence grows, so should the owner be alive all the same, its outcomes are void.
        """
        self._active = None
        return self._connection.execute(_RELEASE, {"owner": owner, "now": now}).rowcount

    def decide(self, action: ActionId, phase: ActionPhase, detail: str, now: datetime) -> bool:
        """Move a proposed action to permitted or rejected; false when it was decided before."""
        if phase not in _VERDICTS:
            raise ValueError(f'an action is decided to be permitted or rejected, not "{phase}"')
        self._active = None
        over = now if phase is ActionPhase.REJECTED else None
        values = {"action": action, "verdict": phase, "words": detail, "over": over}
        return self._connection.execute(_DECIDE, values).rowcount == 1

    def withdraw(self, action: ActionId, detail: str, now: datetime) -> bool:
        """Reject a proposed action and free its key for another; false when it was decided."""
        values = {"action": action, "words": detail, "over": now}
        return self._connection.execute(_WITHDRAW, values).rowcount == 1

    def renew(self, action: Action, until: datetime) -> bool:
        """Extend the lease if the fence still holds; false when the lease was lost."""
        values = {"action": action.id, "held": action.fence, "until": until}
        return self._connection.execute(_RENEW, values).rowcount == 1

    def finish(self, action: Action, phase: ActionPhase, detail: str, now: datetime) -> bool:
        """End a claimed action if its fence still holds; false when the lease was lost."""
        if phase not in FINAL_PHASES:
            raise ValueError(f'an action ends in a final phase, not "{phase}"')
        self._active = None
        values = {"action": action.id, "held": action.fence, "outcome": phase}
        return (
            self._connection.execute(_FINISH, values | {"words": detail, "now": now}).rowcount == 1
        )

    def prune(self, before: datetime) -> int:
        """Delete ended actions older than `before`; returns how many."""
        return self._connection.execute(_PRUNE, {"before": before}).rowcount

    def _one(self, statement: Executable, **values: object) -> Action | None:
        row = self._connection.execute(statement, values).one_or_none()
        return None if row is None else _action(row)

    def _list(self, statement: Executable, **values: object) -> list[Action]:
        return [_action(row) for row in self._connection.execute(statement, values)]


def _action(row: Row[Any]) -> Action:
    values: dict[str, Any] = {
        name: getattr(row, name) for name in Action.model_fields if name != "proposal"
    }
    return restore(Action, values | {"proposal": read_record(Proposal, row.proposal)})


def _performable(row: Row[Any]) -> bool:
    known = is_known(_action(row))
    if not known:
        log.warning("action parked: it holds words this version does not know", action=row.id)
    return known
