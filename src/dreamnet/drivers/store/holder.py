"""Whose database it is: one node at a time, checked in every transaction that writes.

The row's `fence` grows with each taking. A transaction that finds another fence than its node's is
undone, so a node that was cut off can do nothing more once a second one has taken the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    Connection,
    bindparam,
    cast,
    extract,
    func,
    select,
    update,
)

from dreamnet.drivers.store.conflict import insert_if_new
from dreamnet.drivers.store.tables import holder as table
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Unavailable
from dreamnet.kernel.log import logger

SILENCE = timedelta(seconds=10)  # an owner who has not been seen for so long may be succeeded
_SHOW_EVERY_S = 2.0

_NOW = cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
_FIRST = insert_if_new(table, ["id"]).values(id=1, owner=bindparam("me"), fence=0, seen=0)
# Waits for the transactions of the present owner, which hold the row's key, and bars new ones.
_LOOK = select(
    table.c.owner, table.c.fence, (_NOW - table.c.seen).label("silence")
).with_for_update()
_TAKE = (
    update(table)
    .values(owner=bindparam("me"), fence=table.c.fence + 1, seen=_NOW)
    .returning(table.c.fence)
)
_MINE = (table.c.owner == bindparam("me")) & (table.c.fence == bindparam("held"))
_CHECK = select(table.c.id).where(_MINE).with_for_update(read=True, key_share=True)
_SHOW = update(table).where(_MINE).values(seen=_NOW)
_RELEASE = update(table).where(_MINE).values(seen=0)

_clock = SystemClock()
log = logger("store")


class Holder:
    """This node's claim on a PostgreSQL database; used by several threads at once."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._fence: int | None = None
        self._shown_s = 0.0

    def take(self, connection: Connection) -> None:
        """Take the database at the start; `Unavailable` while another node works on it.

        An earlier run of the same node is succeeded at once: its data directory is locked, so it
        is dead.
        """
        found = self._look(connection)
        if found.owner != self._owner:
            self._require_silence(found)
        self._become(connection)

    def check(self, connection: Connection) -> None:
        """Let a transaction pass only while the database is this node's; `Unavailable` if not.

        What was lost is taken again once its new owner has fallen silent.
        """
        fence = self._fence
        values = {"me": self._owner, "held": fence}
        if fence is None or connection.execute(_CHECK, values).first() is None:
            self._regain(connection)
        elif _clock.monotonic() - self._shown_s > _SHOW_EVERY_S:
            self._shown_s = _clock.monotonic()
            connection.execute(_SHOW, values)

    def release(self, connection: Connection) -> None:
        """Let the next node take the database without a wait."""
        connection.execute(_RELEASE, {"me": self._owner, "held": self._fence})

    def _regain(self, connection: Connection) -> None:
        found = self._look(connection)
        is_mine = found.owner == self._owner
        if is_mine and found.fence == self._fence:
            return  # another thread was faster
        # A fence below ours: a database that was restored, or a successor that lagged behind.
        if not (is_mine and found.fence < (self._fence or 0)):
            self._require_silence(found)
        self._become(connection)

    def _require_silence(self, found: _Found) -> None:
        if found.silence < SILENCE:
            raise Unavailable(
                f"another node ({found.owner}) works on this database, last seen "
                f"{found.silence.total_seconds():.1f} s ago: this one does not act\n"
                "  mend: stop one of the two, or give each a database of its own"
            )

    def _look(self, connection: Connection) -> _Found:
        connection.execute(_FIRST, {"me": self._owner})
        row = connection.execute(_LOOK).one()
        return _Found(row.owner, row.fence, timedelta(milliseconds=row.silence))

    def _become(self, connection: Connection) -> None:
        self._fence = connection.execute(_TAKE, {"me": self._owner}).scalar_one()
        self._shown_s = _clock.monotonic()
        log.info("this node has the database", fence=self._fence)


@dataclass(frozen=True)
class _Found:
    """Who has the database, and for how long nobody has seen them."""

    owner: str
    fence: int
    silence: timedelta
