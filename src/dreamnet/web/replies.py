"""Answers that may be asked for twice: the same `Idempotency-Key` is one effect and one answer."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Header
from starlette.responses import Response

from dreamnet.drivers.store.base import Answer, Tx
from dreamnet.kernel.errors import Conflict
from dreamnet.kernel.ids import fresh_id
from dreamnet.model.tokens import Token
from dreamnet.web.face import answer
from dreamnet.web.handles import Handles
from dreamnet.web.problems import Problem

Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="the same key, body and token is one effect, and the same answer",
    ),
]


@dataclass(frozen=True)
class Reply:
    """A successful answer; work that goes on has its `link` in the body."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def response(self) -> Response:
        """Return it as an HTTP answer."""
        link = {"Location": str(self.body["link"])} if self.status == 202 else {}
        return answer(self.body, self.status, self.headers | link)


@dataclass(frozen=True)
class Ask:
    """One request: what it asks for, by whom, and the key it came with (None: it is not kept)."""

    what: str
    body: object
    by: Token
    sent_key: str | None = None

    @property
    def reason(self) -> str:
        """Return why the action is proposed, for the ledger."""
        return f"asked for through the API by {self.by.name}"

    @property
    def key(self) -> str | None:
        """Return what the answer is kept under: keys are each token's own, however alike."""
        if self.sent_key is None:
            return None
        return hashlib.sha256(f"{self.by.id}\n{self.sent_key}".encode()).hexdigest()

    @property
    def digest(self) -> str:
        """Return the same text for the same request, however its JSON was laid out."""
        text = json.dumps([self.what, self.body], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def proposal_key(self) -> str:
        """Return the key of the proposal it makes, so that the action itself happens once."""
        if self.key is None:
            return fresh_id("ask")
        both = hashlib.sha256(f"{self.key}\n{self.digest}".encode()).hexdigest()
        return f"ask-{both[:40]}"


class Replies:
    """Answers one request, or repeats the answer that its key had before.

    Refusals and problems are not kept: the same request may succeed later under the same key.
    """

    def __init__(self, handles: Handles, ask: Ask) -> None:
        self._handles = handles
        self._ask = ask

    async def work(self, do: Callable[[Tx], Reply | Problem]) -> Response:
        """Do the work and keep its answer in one transaction; raises the problem it returns."""

        def once(tx: Tx) -> Reply | Problem:
            known = self._known(tx)
            if known is not None:
                return known
            made = do(tx)
            if isinstance(made, Reply):
                self._keep(tx, made)
            return made

        made = await self._settled(lambda: self._handles.store.tx(once))
        if isinstance(made, Problem):
            raise made
        return made.response()

    async def question(self, find: Callable[[], Awaitable[Reply]]) -> Response:
        """Answer what needs no transaction, or makes its own; then keep the answer."""
        if self._ask.key is None:
            return (await find()).response()
        known = await self._handles.store.read(self._known)
        if known is not None:
            return known.response()
        made = await find()

        def keep(tx: Tx) -> Reply:
            earlier = self._known(tx)
            if earlier is None:
                self._keep(tx, made)
            return earlier or made

        return (await self._settled(lambda: self._handles.store.tx(keep))).response()

    async def _settled(self, run: Callable[[], Awaitable[Reply | Problem]]) -> Any:
        """Run; if another node kept an answer for this key meanwhile, run again and find that."""
        try:
            return await run()
        except Conflict:
            if self._ask.key is None or await self._handles.store.read(self._known) is None:
                raise
            return await run()

    def _known(self, tx: Tx) -> Reply | None:
        if self._ask.key is None:
            return None
        kept = tx.answers.get(self._ask.key)
        if kept is None:
            return None
        if kept.digest != self._ask.digest:
            raise Problem(
                422,
                "key-reused",
                "this Idempotency-Key was used for another request",
                mend="use a new key for a new request",
            )
        return Reply(kept.status, kept.body, {"Idempotency-Replayed": "true"})

    def _keep(self, tx: Tx, made: Reply) -> None:
        if self._ask.key is None:
            return
        body = json.loads(bytes(made.response().body))
        tx.answers.put(
            self._ask.key,
            Answer(self._ask.digest, made.status, body),
            self._handles.world.clock.now(),
        )
