"""Transactions on PostgreSQL: run again after a conflict or a lost link, never after a commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from dreamnet.drivers.store.faults import is_conflict, is_lost_link
from dreamnet.drivers.store.holder import Holder
from dreamnet.drivers.store.jobs import Job
from dreamnet.kernel.errors import Unavailable

T = TypeVar("T")

_CONFLICT_TRIES = 10
_LINK_TRIES = 3
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.2


def run_retried(engine: Engine, job: Job, holder: Holder | None) -> None:
    """Run a job in a transaction of its own, again when that is safe."""
    try:
        with_retries(lambda: _run_once(engine, job, holder))
    except BaseException as error:  # noqa: BLE001  (it is the waiter's error, not this thread's)
        job.fail(error)


def with_retries(attempt: Callable[[], T]) -> T:
    """Return what `attempt` returns, tried again after conflicts and lost links."""
    pause_s = _FIRST_PAUSE_S
    conflicts = losses = 0
    while True:
        try:
            return attempt()
        except DBAPIError as error:
            conflicts += is_conflict(error)
            losses += is_lost_link(error)
            is_final = conflicts >= _CONFLICT_TRIES or losses >= _LINK_TRIES
            if is_final or not (is_conflict(error) or is_lost_link(error)):
                raise
        time.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)


def _run_once(engine: Engine, job: Job, holder: Holder | None) -> None:
    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            if holder is not None:
                holder.check(connection)
            job.run(connection)
        except BaseException:
            transaction.rollback()
            raise
        try:
            transaction.commit()
        except DBAPIError as error:
            if is_conflict(error):  # PostgreSQL says that it undid everything
                raise
            raise Unavailable(
                "the link was lost in a commit: whether it holds is unknown"
            ) from error
