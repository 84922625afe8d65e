"""The drawer of the API's tokens: hashes, never the tokens themselves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, delete, insert, or_, select, update

from dreamnet.drivers.store.tables import tokens as table
from dreamnet.model.tokens import Scope, Token, TokenId

_ALL = select(table).order_by(table.c.created, table.c.id)
_ADD = insert(table).inline()
_REVOKE = (
    update(table)
    .where(table.c.id == bindparam("token"), table.c.revoked.is_(None))
    .values(revoked=bindparam("at"))
)
_BEFORE = bindparam("before", type_=table.c.created.type)
_PRUNE = delete(table).where(or_(table.c.revoked < _BEFORE, table.c.expires < _BEFORE))


class TokensDrawer:
    """Tokens in the table `tokens`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Token]:
        """Return every token, ended ones too, oldest first."""
        return [_token(row) for row in self._connection.execute(_ALL)]

    def insert(self, token: Token) -> None:
        """Insert a new token; a known id ends the transaction with `Conflict`."""
        self._connection.execute(_ADD, token.model_dump() | {"scope": str(token.scope)})

    def revoke(self, token: TokenId, now: datetime) -> bool:
        """End a token; false when it is unknown or was revoked before."""
        return self._connection.execute(_REVOKE, {"token": token, "at": now}).rowcount > 0

    def prune(self, before: datetime) -> int:
        """Delete tokens that ended before `before`; returns how many."""
        return self._connection.execute(_PRUNE, {"before": before}).rowcount


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        id=TokenId(row.id),
        name=row.name,
        scope=Scope(row.scope),
        hash=row.hash,
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
    )
