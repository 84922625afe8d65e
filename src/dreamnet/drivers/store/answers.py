"""The drawer of stored answers to idempotent requests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select

from dreamnet.drivers.store.base import Answer
from dreamnet.drivers.store.tables import answers as table

_ONE = select(table).where(table.c.key == bindparam("key"))
_ADD = insert(table).inline()
_PRUNE = delete(table).where(table.c.at < bindparam("before", type_=table.c.at.type))


class AnswersDrawer:
    """Answers in the table `answers`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> Answer | None:
        """Return the stored answer for a key."""
        row = self._connection.execute(_ONE, {"key": key}).one_or_none()
        return None if row is None else Answer(row.digest, row.status, row.body)

    def put(self, key: str, answer: Answer, now: datetime) -> None:
        """Store the answer for a new key; a known key ends the transaction with `Conflict`."""
        row = {"key": key, "digest": answer.digest, "status": answer.status, "at": now}
        self._connection.execute(_ADD, row | {"body": answer.body})

    def prune(self, before: datetime) -> int:
        """Delete answers older than `before`; returns how many."""
        return self._connection.execute(_PRUNE, {"before": before}).rowcount
