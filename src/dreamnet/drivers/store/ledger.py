"""The drawer of the ledger: append-only, each row's hash covers the one before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from dreamnet.drivers.store.base import LedgerCheck, LedgerHead, LedgerRow
from dreamnet.drivers.store.codec import canonical, clean, to_micros
from dreamnet.drivers.store.tables import ledger as table
from dreamnet.drivers.store.tables import ledger_head as head_table
from dreamnet.kernel.errors import Corrupt
from dreamnet.model.events import EventKind

FIRST_PREV = "0" * 64
_STREAMED_ROWS = 500

_HEAD = select(head_table)
_HEAD_LOCKED = _HEAD.with_for_update()
_ADD = insert(table).inline()
_MOVE_HEAD = update(head_table)
_LAST = select(table).order_by(table.c.seq.desc()).limit(bindparam("count"))
_AFTER = (
    select(table)
    .where(table.c.seq > bindparam("number"))
    .order_by(table.c.seq)
    .limit(bindparam("count"))
)
_ALL = select(table).order_by(table.c.seq)
_FIRST_KEPT = (
    select(table.c.seq).where(table.c.at >= bindparam("before")).order_by(table.c.seq).limit(1)
)
_AT = select(table.c.hash).where(table.c.seq == bindparam("number"))
_PRUNE = delete(table).where(table.c.seq <= bindparam("number"))


@dataclass
class _Head:
    """The chain's end, and its anchor: the last row that was pruned."""

    seq: int
    hash: str
    anchor_seq: int
    anchor_hash: str


class LedgerDrawer:
    """The ledger in the tables `ledger` and `ledger_head`.

    Appended rows wait in memory and are written together by `flush`, so a transaction locks and
    moves the head once, however many rows it appends.
    """

    def __init__(self, connection: Connection, *, writing: bool) -> None:
        self._connection = connection
        self._writing = writing
        self._head: _Head | None = None
        self._waiting: list[dict[str, Any]] = []

    def append(self, kind: EventKind, subject: str, body: dict[str, Any], now: datetime) -> int:
        """Append a row and return its number; the head is locked until the transaction ends."""
        head = self._locked_head()
        row: dict[str, Any] = {
            "seq": head.seq + 1,
            "at": now,
            "kind": clean(str(kind)),
            "subject": clean(subject),
        }
        row |= {"body": canonical(body), "prev": head.hash}
        row["hash"] = hash_of(row)
        self._waiting.append(row)
        head.seq, head.hash = row["seq"], row["hash"]
        return head.seq

    def next_seq(self) -> int:
        """Return the number that the next row will have; the head is locked from here on."""
        return self._locked_head().seq + 1

    def lock(self) -> None:
        """Hold the head until the transaction ends, so that nobody else appends."""
        self._locked_head()

    def flush(self) -> None:
        """Write the rows that wait and move the head."""
        if self._head is None or not self._waiting:
            return
        self._connection.execute(_ADD, self._waiting)
        self._move_head(self._head)
        self._waiting = []

    def tail(self, limit: int, after: int | None = None) -> list[LedgerRow]:
        """Return rows after number `after`, or else the last ones; oldest first."""
        self.flush()
        if after is not None:
            found = self._connection.execute(_AFTER, {"number": after, "count": limit})
            return [_ledger_row(row) for row in found]
        found = self._connection.execute(_LAST, {"count": limit})
        return [_ledger_row(row) for row in found][::-1]

    def verify(self) -> LedgerCheck:
        """Recompute the whole chain from its anchor; rows are streamed, not loaded at once."""
        self.flush()
        # A writer sees others' commits between two statements: it holds the head still meanwhile.
        statement = _HEAD_LOCKED if self._writing else _HEAD
        row = self._connection.execute(statement).one_or_none()
        if row is None:
            return LedgerCheck(0, 0, "the head of the chain is gone")
        return self._check(_Head(row.seq, row.hash, row.anchor_seq, row.anchor_hash))

    def _check(self, head: _Head) -> LedgerCheck:
        seq, last = head.anchor_seq, head.anchor_hash
        options = {"yield_per": _STREAMED_ROWS}
        with self._connection.execute(_ALL, execution_options=options) as rows:
            for count, row in enumerate(rows):
                why = _broken(row, seq + 1, last)
                if why:
                    return LedgerCheck(count + 1, min(seq + 1, row.seq), why)
                seq, last = row.seq, row.hash
        read = seq - head.anchor_seq
        if seq != head.seq:
            return LedgerCheck(read, min(seq, head.seq) + 1, f"the head says {head.seq} rows")
        if last != head.hash:
            return LedgerCheck(read, seq, "the last row is not the one the head names")
        return LedgerCheck(read, None, head=LedgerHead(seq, last) if seq else None)

    def prune(self, before: datetime) -> int:
        """Delete the rows before the first that is not older than `before`; anchor the rest."""
        self.flush()
        head = self._locked_head()
        kept = self._connection.execute(_FIRST_KEPT, {"before": before}).scalar()
        number = head.seq if kept is None else kept - 1
        anchor = self._connection.execute(_AT, {"number": number}).scalar()
        if number <= head.anchor_seq or anchor is None:
            return 0
        head.anchor_seq, head.anchor_hash = number, anchor
        self._move_head(head)
        return self._connection.execute(_PRUNE, {"number": number}).rowcount

    def _move_head(self, head: _Head) -> None:
        self._connection.execute(_MOVE_HEAD, vars(head))

    def _locked_head(self) -> _Head:
        if self._head is None:
            row = self._connection.execute(_HEAD_LOCKED).one_or_none()
            if row is None:
                raise Corrupt(
                    "the ledger's head is gone: its table was changed by hand\n"
                    "  mend: run `dreamnet ledger verify`, then restore the store from a backup"
                )
            self._head = _Head(row.seq, row.hash, row.anchor_seq, row.anchor_hash)
        return self._head


def hash_of(row: dict[str, Any]) -> str:
    """Return SHA-256 over the canonical JSON of everything in a row but its own hash.

    `body` is the row's canonical JSON text and is hashed as such.
    """
    covered = [row["seq"], to_micros(row["at"]), row["kind"], row["subject"]]
    covered += [row["body"], row["prev"]]
    return sha256(canonical(covered).encode()).hexdigest()


def _broken(row: Row[Any], seq: int, prev: str) -> str:
    """Return why a row does not continue the chain, empty if it does."""
    if row.seq != seq:
        return f"row {seq} is missing: row {row.seq} is in its place"
    if row.prev != prev:
        return "the row does not follow the one before it"
    if row.hash != hash_of(_covered(row)):
        return "the row was changed after it was written"
    return ""


def _covered(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("seq", "at", "kind", "subject", "body", "prev")}


def _ledger_row(row: Row[Any]) -> LedgerRow:
    return LedgerRow(
        seq=row.seq,
        at=row.at,
        kind=row.kind,
        subject=row.subject,
        body=json.loads(row.body),
        prev=row.prev,
        hash=row.hash,
    )
