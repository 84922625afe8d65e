"""The drawer of cases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from dreamnet.drivers.store.codec import restore
from dreamnet.drivers.store.conflict import insert_if_new
from dreamnet.drivers.store.tables import cases as table
from dreamnet.drivers.store.tables import is_live
from dreamnet.model.cases import Case, CaseId, CaseKind

_OPEN = insert_if_new(table, ["kind", "fingerprint", "target"], is_live)
_ADVANCE = update(table).where(
    table.c.id == bindparam("case"), table.c.version == bindparam("read_at")
)
_ADVANCED = ("phase", "live", "updated", "version", "data", "target", "fingerprint")
_ONE = select(table).where(table.c.id == bindparam("case"))
_LIVE = select(table).where(table.c.kind == bindparam("kind"), is_live).order_by(table.c.number)
_RECENT = (
    select(table)
    .where(table.c.kind == bindparam("kind"))
    .order_by(table.c.number.desc())
    .limit(bindparam("count"))
)
_CLOSED = (
    select(table)
    .where(
        table.c.kind == bindparam("kind"),
        table.c.target == bindparam("target"),
        table.c.updated >= bindparam("since"),
        ~is_live,
    )
    .order_by(table.c.updated, table.c.number)
)
_PRUNE = delete(table).where(~is_live, table.c.updated < bindparam("before"))


class CasesDrawer:
    """Cases in the table `cases`; a phase is text, so one that is unknown passes through."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, case: Case) -> Case | None:
        """Insert a live case; None when one of its kind, fingerprint and target is live."""
        row = {name: getattr(case, name) for name in Case.model_fields}
        return case if self._connection.execute(_OPEN, row).rowcount == 1 else None

    def advance(self, case: Case) -> Case | None:
        """Save a case read at `case.version`; returns it with the next version, None when lost."""
        moved = case.model_copy(update={"version": case.version + 1})
        row = {name: getattr(moved, name) for name in _ADVANCED}
        row |= {"case": case.id, "read_at": case.version}
        return moved if self._connection.execute(_ADVANCE, row).rowcount == 1 else None

    def get(self, case: CaseId) -> Case | None:
        """Return one case."""
        row = self._connection.execute(_ONE, {"case": case}).one_or_none()
        return None if row is None else _case(row)

    def live(self, kind: CaseKind) -> list[Case]:
        """Return the live cases of a kind, oldest first."""
        return self._list(_LIVE, kind=kind)

    def recent(self, kind: CaseKind, limit: int) -> list[Case]:
        """Return the newest cases of a kind, newest first, live or not."""
        return self._list(_RECENT, kind=kind, count=limit)

    def closed_since(self, kind: CaseKind, target: str, since: datetime) -> list[Case]:
        """Return the closed cases of a target updated at or after `since`, oldest first."""
        return self._list(_CLOSED, kind=kind, target=target, since=since)

    def prune(self, before: datetime) -> int:
        """Delete closed cases last updated before `before`; returns how many."""
        return self._connection.execute(_PRUNE, {"before": before}).rowcount

    def _list(self, statement: Any, **values: object) -> list[Case]:
        return [_case(row) for row in self._connection.execute(statement, values)]


def _case(row: Row[Any]) -> Case:
    return restore(Case, {name: getattr(row, name) for name in Case.model_fields})
