"""One transaction: the drawers on one connection, and what to call once it is durable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, delete, insert

from dreamnet.drivers.store.actions import ActionsDrawer
from dreamnet.drivers.store.answers import AnswersDrawer
from dreamnet.drivers.store.base import (
    Actions,
    Answers,
    Cases,
    Ledger,
    Messages,
    Services,
    Tokens,
)
from dreamnet.drivers.store.cases import CasesDrawer
from dreamnet.drivers.store.ledger import LedgerDrawer
from dreamnet.drivers.store.messages import MessagesDrawer
from dreamnet.drivers.store.services import ServicesDrawer
from dreamnet.drivers.store.tables import answers
from dreamnet.drivers.store.tokens import TokensDrawer
from dreamnet.kernel.ids import fresh_id

_EPOCH = datetime.fromtimestamp(0, UTC)
_PROOF = insert(answers).values(digest="", status=0, body={}).inline()
_UNDO = delete(answers).where(answers.c.key == bindparam("mark"))


class SqlTx:
    """The drawers of one transaction; of no use once it has ended."""

    services: Services
    cases: Cases
    actions: Actions
    ledger: Ledger
    messages: Messages
    answers: Answers
    tokens: Tokens

    def __init__(self, connection: Connection, *, writing: bool) -> None:
        ledger = LedgerDrawer(connection, writing=writing)
        self._connection = connection
        self._ledger = ledger
        self.calls: list[Callable[[], None]] = []
        self.services = ServicesDrawer(connection)
        self.cases = CasesDrawer(connection)
        self.actions = ActionsDrawer(connection, ledger)
        self.ledger = ledger
        self.messages = MessagesDrawer(connection, ledger)
        self.answers = AnswersDrawer(connection)
        self.tokens = TokensDrawer(connection)

    def prove_writable(self) -> None:
        """Write a row and take it away again: pages that have to reach the disk."""
        mark = fresh_id("proof")
        self._connection.execute(_PROOF, {"key": mark, "at": _EPOCH})
        self._connection.execute(_UNDO, {"mark": mark})

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` in the event loop once the transaction is durable; never if it is not."""
        self.calls.append(call)

    def finish(self) -> None:
        """Write what waits; the ledger's head moves last."""
        self._ledger.flush()
