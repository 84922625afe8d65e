"""The seam to the store: transactions with drawers; the store is the truth."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from dreamnet.model.actions import Action, ActionId, ActionPhase, Agent
from dreamnet.model.cases import Case, CaseId, CaseKind
from dreamnet.model.events import EventKind
from dreamnet.model.messages import Delivery, Message, MessageId
from dreamnet.model.services import ServiceName
from dreamnet.model.tokens import Token, TokenId

T = TypeVar("T")


@dataclass(frozen=True)
class LedgerRow:
    """One line of the audit trail; `hash` covers `prev` and everything else in the row."""

    seq: int
    at: datetime
    kind: str
    subject: str
    body: dict[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True)
class LedgerHead:
    """The newest row; kept elsewhere, it proves later that the whole chain was not rewritten."""

    seq: int
    hash: str


@dataclass(frozen=True)
class LedgerCheck:
    """What a verification found: rows read, and the first that breaks the chain (None: whole).

    `head` is the newest row of a whole chain, also when it is pruned; None before the first row.
    """

    rows: int
    broken_at: int | None
    why: str = ""
    head: LedgerHead | None = None


@dataclass(frozen=True)
class Trouble:
    """What is wrong with the store and how to mend it; `lasts` until the node starts anew."""

    since: datetime
    words: str
    lasts: bool = False


@dataclass(frozen=True)
class Answer:
    """A stored answer to an idempotent request."""

    digest: str
    status: int
    body: dict[str, Any]


class Services(Protocol):
    """How many instances each service should have, as last asked for."""

    def desired(self) -> dict[ServiceName, int]:
        """Return the wanted number of instances of each service."""
        ...

    def want(self, service: ServiceName, count: int, configured: int) -> None:
        """Set the wanted number; `configured` is the file's `replicas.min` it was based on."""
        ...

    def adopt(self, configured: dict[ServiceName, int]) -> dict[ServiceName, int]:
        """Take over the file: new services and changed minima set the wanted number, gone ones go.

        Returns the wanted numbers.
        """
        ...


class Cases(Protocol):
    """Cases of every kind."""

    def open(self, case: Case) -> Case | None:
        """Insert a live case; None when one of its kind, fingerprint and target is live."""
        ...

    def advance(self, case: Case) -> Case | None:
        """Save a case read at `case.version`; returns it with the next version, None when lost."""
        ...

    def get(self, case: CaseId) -> Case | None:
        """Return one case."""
        ...

    def live(self, kind: CaseKind) -> list[Case]:
        """Return the live cases of a kind, oldest first."""
        ...

    def recent(self, kind: CaseKind, limit: int) -> list[Case]:
        """Return the newest cases of a kind, newest first, live or not."""
        ...

    def closed_since(self, kind: CaseKind, target: str, since: datetime) -> list[Case]:
        """Return the closed cases of a target updated at or after `since`, oldest first."""
        ...

    def prune(self, before: datetime) -> int:
        """Delete closed cases last updated before `before`; returns how many."""
        ...


class Actions(Protocol):
    """Actions from proposal to outcome."""

    def lock(self) -> None:
        """Let one judgement run at a time, on every node, until the transaction ends."""
        ...

    def insert(self, action: Action) -> None:
        """Insert a new action; its proposal's key must be new."""
        ...

    def by_key(self, key: str) -> Action | None:
        """Return the action that a proposal's key made."""
        ...

    def get(self, action: ActionId) -> Action | None:
        """Return one action."""
        ...

    def active(self) -> list[Action]:
        """Return permitted and claimed actions, oldest first."""
        ...

    def recent(self, limit: int) -> list[Action]:
        """Return the newest actions, newest first."""
        ...

    def of_case(self, case: CaseId) -> list[Action]:
        """Return the actions of a case, oldest first."""
        ...

    def in_phases(
        self, phases: Collection[ActionPhase], since: datetime | None = None
    ) -> list[Action]:
        """Return the actions in these phases (proposed at or after `since`), oldest first."""
        ...

    def claim(self, performer: Agent, owner: str, now: datetime, lease: timedelta) -> list[Action]:
        """Lease every permitted (or expired claimed) action of a performer; the fence grows."""
        ...

    def release(self, owner: str, now: datetime) -> int:
        """End the leases of an owner that is dead; returns how many. The fence grows."""
        ...

    def decide(self, action: ActionId, phase: ActionPhase, detail: str, now: datetime) -> bool:
        """Move a proposed action to permitted or rejected; false when it was decided before."""
        ...

    def withdraw(self, action: ActionId, detail: str, now: datetime) -> bool:
        """Reject a proposed action and free its key for another; false when it was decided."""
        ...

    def renew(self, action: Action, until: datetime) -> bool:
        """Extend the lease if the fence still holds; false when the lease was lost."""
        ...

    def finish(self, action: Action, phase: ActionPhase, detail: str, now: datetime) -> bool:
        """End a claimed action if its fence still holds; false when the lease was lost."""
        ...

    def prune(self, before: datetime) -> int:
        """Delete ended actions older than `before`; returns how many."""
        ...


class Ledger(Protocol):
    """The append-only, hash-chained audit trail."""

    def append(self, kind: EventKind, subject: str, body: dict[str, Any], now: datetime) -> int:
        """Append a row and return its number; from here on the transaction holds the head."""
        ...

    def tail(self, limit: int, after: int | None = None) -> list[LedgerRow]:
        """Return rows after number `after`, or else the last ones; oldest first."""
        ...

    def verify(self) -> LedgerCheck:
        """Recompute the whole chain from its anchor."""
        ...

    def prune(self, before: datetime) -> int:
        """Delete rows older than `before` and anchor the rest, which still verifies."""
        ...


class Messages(Protocol):
    """Durable messages between agents; each send is also a ledger row."""

    def send(self, message: Message) -> bool:
        """Queue a message; false when its id was queued before."""
        ...

    def lease(self, to: Agent, owner: str, now: datetime, lease: timedelta) -> list[Delivery]:
        """Lease what is due for an agent, oldest first, at most 100; an expired lease is due again.

        Every lease counts as an attempt.
        """
        ...

    def acknowledge(self, message: MessageId, now: datetime) -> bool:
        """Mark a message delivered, even a dead one; false when it is unknown or already so."""
        ...

    def refuse(self, message: MessageId, error: str, due: datetime | None) -> None:
        """Give a message back until `due`, or to the dead letters when None.

        What is delivered or dead stays so.
        """
        ...

    def get(self, message: MessageId) -> Delivery | None:
        """Return one message with its delivery."""
        ...

    def recent(self, limit: int, case: str | None = None) -> list[Delivery]:
        """Return the newest messages (of a case: `payload["case"]`), newest first."""
        ...

    def prune(self, before: datetime) -> int:
        """Delete delivered messages older than `before`; returns how many."""
        ...


class Answers(Protocol):
    """Stored answers to requests with an `Idempotency-Key`."""

    def get(self, key: str) -> Answer | None:
        """Return the stored answer for a key."""
        ...

    def put(self, key: str, answer: Answer, now: datetime) -> None:
        """Store the answer for a new key."""
        ...

    def prune(self, before: datetime) -> int:
        """Delete answers older than `before`; returns how many."""
        ...


class Tokens(Protocol):
    """Tokens of the API."""

    def all(self) -> list[Token]:
        """Return every token, ended ones too, oldest first."""
        ...

    def insert(self, token: Token) -> None:
        """Insert a new token; its id must be new."""
        ...

    def revoke(self, token: TokenId, now: datetime) -> bool:
        """End a token; false when it is unknown or was revoked before."""
        ...

    def prune(self, before: datetime) -> int:
        """Delete tokens that ended before `before`; returns how many."""
        ...


class Tx(Protocol):
    """The drawers, open for one transaction."""

    services: Services
    cases: Cases
    actions: Actions
    ledger: Ledger
    messages: Messages
    answers: Answers
    tokens: Tokens

    def prove_writable(self) -> None:
        """Write a row and take it away again, so that only a store that takes writes commits."""
        ...

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` in the event loop once the transaction is durable; never if it is not."""
        ...


class Store(Protocol):
    """Runs transactions; a returned `tx` is durable (on disk), a raised one left nothing behind.

    Errors: `Unavailable` when the database is locked or away, or when the link was lost in a commit
    (then the outcome is unknown: look again); `Corrupt` when the file is damaged; `Conflict` when a
    drawer's row breaks a promise (a known key, a second disruptive action on a target); `UserError`
    when the file may not be written. A caller that is cancelled leaves the outcome unknown too.
    """

    async def open(self) -> None:
        """Connect and bring the schema to head."""
        ...

    async def tx(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one write transaction; it may run again after a conflict.

        `work` runs in a thread, so it touches nothing but the drawers and its own values. An error
        of a drawer ends the transaction: `work` lets it pass.
        """
        ...

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one snapshot; it never waits behind writers, and writing is an error."""
        ...

    async def at_head(self) -> tuple[str, str]:
        """Return the schema's present and newest revision."""
        ...

    async def close(self) -> None:
        """End every connection."""
        ...
