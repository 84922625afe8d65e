"""One transaction: the drawers on one connection, and what to call once it is durable."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from dreamnet.drivers.store.actions import ActionsDrawer
from dreamnet.drivers.store.answers import AnswersDrawer
from dreamnet.drivers.store.base import Actions, Answers, Cases, Ledger, Messages, Services
from dreamnet.drivers.store.cases import CasesDrawer
from dreamnet.drivers.store.ledger import LedgerDrawer
from dreamnet.drivers.store.messages import MessagesDrawer
from dreamnet.drivers.store.services import ServicesDrawer


class SqlTx:
    """The drawers of one transaction; of no use once it has ended."""

    services: Services
    cases: Cases
    actions: Actions
    ledger: Ledger
    messages: Messages
    answers: Answers

    def __init__(self, connection: Connection, *, writing: bool) -> None:
        ledger = LedgerDrawer(connection, writing=writing)
        self._ledger = ledger
        self.calls: list[Callable[[], None]] = []
        self.services = ServicesDrawer(connection)
        self.cases = CasesDrawer(connection)
        self.actions = ActionsDrawer(connection, ledger)
        self.ledger = ledger
        self.messages = MessagesDrawer(connection, ledger)
        self.answers = AnswersDrawer(connection)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` in the event loop once the transaction is durable; never if it is not."""
        self.calls.append(call)

    def finish(self) -> None:
        """Write what waits; the ledger's head moves last."""
        self._ledger.flush()
