"""The drawer of messages: a send is a ledger row, its delivery state a row of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Executable,
    Row,
    and_,
    bindparam,
    delete,
    or_,
    select,
    update,
)

from dreamnet.drivers.store.codec import read_record, restore, write_record
from dreamnet.drivers.store.conflict import insert_if_new
from dreamnet.drivers.store.ledger import LedgerDrawer
from dreamnet.drivers.store.tables import deliveries as table
from dreamnet.model.actions import Agent
from dreamnet.model.events import EventKind
from dreamnet.model.messages import Delivery, DeliveryState, Message, MessageId

LEASED_AT_ONCE = 100

_WAITING = (DeliveryState.QUEUED, DeliveryState.LEASED)
_SEND = insert_if_new(table, ["id"])
_DUE = (
    select(table.c.seq)
    .where(
        table.c.recipient == bindparam("to"),
        table.c.state.in_(_WAITING),  # implied by the next line, and what lets the index serve
        or_(
            and_(table.c.state == DeliveryState.QUEUED, table.c.due <= bindparam("now")),
            and_(table.c.state == DeliveryState.LEASED, table.c.lease_until <= bindparam("now")),
        ),
    )
    .order_by(table.c.seq)
    .limit(LEASED_AT_ONCE)
    .with_for_update(skip_locked=True)
)
_LEASE = (
    update(table)
    .where(table.c.seq.in_(bindparam("numbers", expanding=True)))
    .values(
        state=DeliveryState.LEASED,
        attempts=table.c.attempts + 1,
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
    )
    .returning(table)
)
_ACKNOWLEDGE = (
    update(table)
    .where(table.c.id == bindparam("message"), table.c.state != DeliveryState.DELIVERED)
    .values(state=DeliveryState.DELIVERED, settled=bindparam("now"), lease_until=None)
)
_REFUSE = (
    update(table)
    .where(table.c.id == bindparam("message"), table.c.state.in_(_WAITING))
    .values(lease_owner=None, lease_until=None, error=bindparam("words"))
)
_REQUEUE = _REFUSE.values(state=DeliveryState.QUEUED, due=bindparam("again"))
_BURY = _REFUSE.values(state=DeliveryState.DEAD)
_ONE = select(table).where(table.c.id == bindparam("message"))
_RECENT = select(table).order_by(table.c.seq.desc()).limit(bindparam("count"))
_RECENT_OF_CASE = _RECENT.where(table.c.case_id == bindparam("case"))
_PRUNE = delete(table).where(
    table.c.state == DeliveryState.DELIVERED, table.c.settled < bindparam("before")
)


class MessagesDrawer:
    """Messages in the table `deliveries`, each sent as a row of the ledger."""

    def __init__(self, connection: Connection, ledger: LedgerDrawer) -> None:
        self._connection = connection
        self._ledger = ledger

    def send(self, message: Message) -> bool:
        """Queue a message, due at once; false when its id was queued before."""
        row: dict[str, object] = {
            "seq": self._ledger.next_seq(),
            "id": message.id,
            "recipient": message.to,
            "case_id": _case_of(message),
            "content": write_record(message),
            "state": DeliveryState.QUEUED,
            "attempts": 0,
            "due": message.at,
            "error": "",
        }
        if self._connection.execute(_SEND, row).rowcount == 0:
            return False
        self._ledger.append(
            EventKind.MESSAGE, message.id, message.model_dump(mode="json"), message.at
        )
        return True

    def lease(self, to: Agent, owner: str, now: datetime, lease: timedelta) -> list[Delivery]:
        """Lease what is due for an agent, oldest first, at most `LEASED_AT_ONCE`.

        An expired lease is due again; every lease counts as an attempt.
        """
        numbers = self._connection.execute(_DUE, {"to": to, "now": now}).scalars().all()
        if not numbers:
            return []
        values = {"numbers": numbers, "owner": owner, "until": now + lease}
        leased = self._connection.execute(_LEASE, values).all()
        return [_delivery(row) for row in sorted(leased, key=lambda row: row.seq)]

    def acknowledge(self, message: MessageId, now: datetime) -> bool:
        """Mark a message delivered, even a dead one; false when it is unknown or already so."""
        values = {"message": message, "now": now}
        return self._connection.execute(_ACKNOWLEDGE, values).rowcount == 1

    def refuse(self, message: MessageId, error: str, due: datetime | None) -> None:
        """Give a message back until `due`, or to the dead letters when None.

        What is delivered or dead stays so, whoever refuses it late.
        """
        values = {"message": message, "words": error}
        if due is None:
            self._connection.execute(_BURY, values)
        else:
            self._connection.execute(_REQUEUE, values | {"again": due})

    def get(self, message: MessageId) -> Delivery | None:
        """Return one message with its delivery."""
        row = self._connection.execute(_ONE, {"message": message}).one_or_none()
        return None if row is None else _delivery(row)

    def recent(self, limit: int, case: str | None = None) -> list[Delivery]:
        """Return the newest messages (of a case: `payload["case"]`), newest first."""
        if case is None:
            return self._list(_RECENT, count=limit)
        return self._list(_RECENT_OF_CASE, count=limit, case=case)

    def prune(self, before: datetime) -> int:
        """Delete messages delivered before `before`; returns how many. The dead stay."""
        return self._connection.execute(_PRUNE, {"before": before}).rowcount

    def _list(self, statement: Executable, **values: object) -> list[Delivery]:
        return [_delivery(row) for row in self._connection.execute(statement, values)]


def _case_of(message: Message) -> str | None:
    case = message.payload.get("case")
    return case if isinstance(case, str) else None


def _delivery(row: Row[Any]) -> Delivery:
    values = {name: getattr(row, name) for name in ("state", "attempts", "due", "error")}
    return restore(Delivery, values | {"message": read_record(Message, row.content)})
