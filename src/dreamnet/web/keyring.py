"""The tokens this node opens to: held in memory, kept in the store, made and ended here only."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dreamnet.drivers.store.base import Store, Tx
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import Conflict, NotFound, Transient, Unavailable
from dreamnet.kernel.files import write_whole
from dreamnet.kernel.ids import fresh_id, fresh_secret
from dreamnet.kernel.log import logger
from dreamnet.model.events import EventKind
from dreamnet.model.tokens import Scope, Token, TokenId, hash_of, id_in, token_text

MOST_TOKENS = 1000
LONGEST_TEXT = 200
LOOK_EVERY_S = 5.0
OWN_NAME = "local"
_NODE = "node"
_NOBODYS_HASH = hash_of("")

log = logger("web")


@dataclass(frozen=True)
class Wish:
    """A token to be made; `by` is who asked, for the ledger."""

    name: str
    scope: Scope
    expires: datetime | None
    by: str


class Keyring:
    """Every token of the store, so that a request is judged without it, also while it is away.

    What is made or revoked here counts at once; what another node did is seen within 5 s. `file`
    is where the token for commands on this machine is kept.
    """

    def __init__(self, store: Store, clock: Clock, file: Path) -> None:
        self._store = store
        self._clock = clock
        self._file = file
        self._tokens: dict[TokenId, Token] = {}
        self._is_open = False
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Read the store, and see to it that the file holds a token that opens this node."""
        async with self._changing:
            await self._look()
            await self._keep_own()
            self._is_open = True

    async def run(self) -> None:
        """Look for what other nodes changed, for ever.

        One that took over this database for a while has ended our own token: there is a new one
        once we may write again.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with contextlib.suppress(Transient, OSError):  # what is known goes on to hold
                async with self._changing:
                    await self._look()
                    await self._keep_own()

    def find(self, text: str) -> Token | None:
        """Return the valid token of this text, None when there is none.

        An unknown id takes the same way as a wrong secret. Before `open` only the file's own token
        is known, so that commands here hear what a waiting node waits for; else `Unavailable`.
        """
        text = text[: LONGEST_TEXT + 1]
        return self._known(text) if self._is_open else self._own_before_opening(text)

    def _known(self, text: str) -> Token | None:
        token = self._tokens.get(id_in(text))
        same = hmac.compare_digest(hash_of(text), token.hash if token else _NOBODYS_HASH)
        return token if token and same and token.is_valid(self._clock.now()) else None

    def is_valid(self, token: Token) -> bool:
        """Return whether a token that was found before still opens anything."""
        if not self._is_open:
            return token.name == OWN_NAME
        held = self._tokens.get(token.id)
        return held is not None and held.is_valid(self._clock.now())

    def tokens(self) -> list[Token]:
        """Return every token, ended ones too, oldest first."""
        return list(self._tokens.values())

    async def create(self, wish: Wish) -> tuple[Token, str]:
        """Make a token and return it with its text, which nobody can show again.

        `Conflict` when a valid one has this name or there are too many.
        """
        async with self._changing:
            token, text = self._drawn(wish)
            await self._store.tx(lambda tx: self._insert(tx, token, wish.by))
            await self._look()
        return token, text

    async def revoke(self, token_id: TokenId, by: str) -> Token:
        """End a token at once, its streams too; a second time changes nothing.

        `NotFound` when there is none. Commands on this machine get a new one if it was theirs.
        """
        async with self._changing:
            now = self._clock.now()
            known = self._tokens.get(token_id)
            if known is None:
                raise NotFound.of("there is no such token", mend="dreamnet token list")
            await self._store.tx(lambda tx: _end(tx, known, by, now))
            await self._look()
            await self._keep_own()
            return self._tokens.get(token_id, known)

    async def _look(self) -> None:
        found = await self._store.read(lambda tx: tx.tokens.all())
        self._tokens = {token.id: token for token in found}

    async def _keep_own(self) -> None:
        """Write a new token into the file unless the one there opens everything."""
        held = await asyncio.to_thread(self._read_file)
        found = self._known(held) if held else None
        if found is not None and found.scope is Scope.ADMIN:
            return
        # Not before the store takes it: the token in the file may be needed to ask why it does not.
        await self._store.tx(lambda tx: tx.prove_writable())
        token, text = self._drawn(Wish(OWN_NAME, Scope.ADMIN, None, _NODE))
        # The file first: were it lost after the commit, a token would live that nobody holds.
        await asyncio.to_thread(write_whole, self._file, text + "\n", durable=True)
        await self._store.tx(lambda tx: self._replace_own(tx, token))
        await self._look()
        log.info("a new token for commands on this machine", token=token.id, file=str(self._file))

    def _read_file(self) -> str:
        """Return what the file holds, empty when that is no text; its rights become 0600."""
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            self._file.chmod(0o600)
            return self._file.read_text("utf-8").strip()
        return ""

    def _own_before_opening(self, text: str) -> Token:
        held = self._read_file()
        if not held or not hmac.compare_digest(hash_of(text), hash_of(held)):
            raise Unavailable("the node is starting and knows no tokens yet")
        now = self._clock.now()
        return Token(
            id=id_in(text), name=OWN_NAME, scope=Scope.ADMIN, hash=hash_of(text), created=now
        )

    def _drawn(self, wish: Wish) -> tuple[Token, str]:
        made = TokenId(fresh_id("tok"))
        text = token_text(made, fresh_secret())
        now = self._clock.now()
        token = Token(
            id=made,
            name=wish.name,
            scope=wish.scope,
            hash=hash_of(text),
            created=now,
            expires=wish.expires,
        )
        return token, text

    def _insert(self, tx: Tx, token: Token, by: str) -> None:
        there = tx.tokens.all()
        if any(one.name == token.name and one.is_valid(token.created) for one in there):
            mend = "choose another name, or revoke that one: dreamnet token list"
            raise Conflict.of(f'a valid token is named "{token.name}"', mend=mend)
        if len(there) >= MOST_TOKENS:
            raise Conflict.of(f"there are {MOST_TOKENS} tokens", mend="ended ones go by themselves")
        _begin(tx, token, by)

    def _replace_own(self, tx: Tx, token: Token) -> None:
        for one in tx.tokens.all():
            if one.name == token.name and one.is_valid(token.created):
                _end(tx, one, _NODE, token.created)
        _begin(tx, token, _NODE)


def _begin(tx: Tx, token: Token, by: str) -> None:
    tx.tokens.insert(token)
    _record(tx, EventKind.TOKEN_CREATED, token, by, token.created)


def _end(tx: Tx, token: Token, by: str, now: datetime) -> None:
    if tx.tokens.revoke(token.id, now):
        _record(tx, EventKind.TOKEN_REVOKED, token, by, now)


def _record(tx: Tx, kind: EventKind, token: Token, by: str, now: datetime) -> None:
    body = {
        "token": token.id,
        "name": token.name,
        "scope": token.scope,
        "expires": None if token.expires is None else token.expires.isoformat(),
        "by": by,
    }
    tx.ledger.append(kind, "token", body, now)
