"""Work on its way through a store: run in a thread, settled in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine

from dreamnet.drivers.store.transaction import SqlTx
from dreamnet.kernel.errors import Unavailable
from dreamnet.kernel.log import logger

log = logger("store")


@dataclass
class Job:
    """One unit of work, the future that waits for it, and its outcome once it has run."""

    work: Callable[[SqlTx], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    calls: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def run(self, connection: Connection) -> None:
        """Do the work on a connection that is in a write transaction; not if nobody waits for it.

        Who gave up may have done something else by now: work that comes late must not undo that.
        """
        if self.future.cancelled():
            raise Unavailable("nobody waits for this any more")
        tx = SqlTx(connection, writing=True)
        self.result = self.work(tx)
        tx.finish()
        self.calls, self.error = tx.calls, None

    def fail(self, error: BaseException) -> None:
        """Note that nothing of the work was kept."""
        self.result, self.error, self.calls = None, error, []

    def settle(self) -> None:
        """Tell the waiter, after the calls that were to follow the commit. In the event loop."""
        for call in self.calls:
            _call(call)
        if self.future.done():  # the waiter gave up; the outcome stands all the same
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(_settable(self.error))


def _call(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:
        log.exception("a call after a commit failed; the commit stands")


def _settable(error: BaseException) -> BaseException:
    if not isinstance(error, StopIteration):
        return error
    changed = RuntimeError("the work raised StopIteration")  # a future cannot carry that one
    changed.__cause__ = error
    return changed


def run_group(engine: Engine, jobs: list[Job]) -> None:
    """Run jobs in one transaction, so that they share the cost of one commit.

    Each has a savepoint: one that fails undoes only itself. When one breaks the whole transaction,
    each is tried alone; when the transaction cannot begin or commit, all fail.
    """
    running = False
    try:
        with engine.connect() as connection, connection.begin():
            running = True
            for job in jobs:
                _run_in_savepoint(connection, job)
            running = False
    except BaseException as error:  # noqa: BLE001  (every waiter must be told, whatever it was)
        log.warning("a group of transactions failed", jobs=len(jobs), error=type(error).__name__)
        for job in jobs:
            if running:
                run_alone(engine, job)
            elif job.error is None:
                job.fail(error)


def _run_in_savepoint(connection: Connection, job: Job) -> None:
    savepoint = connection.begin_nested()
    try:
        job.run(connection)
    except BaseException as error:  # noqa: BLE001  (it is the waiter's error, not this thread's)
        savepoint.rollback()
        job.fail(error)
    else:
        savepoint.commit()


def run_alone(engine: Engine, job: Job) -> None:
    """Run a job in a transaction of its own."""
    try:
        with engine.connect() as connection, connection.begin():
            job.run(connection)
    except BaseException as error:  # noqa: BLE001  (it is the waiter's error, not this thread's)
        job.fail(error)
