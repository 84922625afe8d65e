"""Tokens of the API: who may do what, until when."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NewType

from pydantic import Field

from dreamnet.model.record import Record

TokenId = NewType("TokenId", str)

NAME_FORM = r"^[a-z0-9][a-z0-9._-]{0,39}$"
_MARK = "dn"


class Scope(StrEnum):
    """What a token may do; each scope holds the ones before it."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"

    def covers(self, needed: Scope) -> bool:
        """Return whether who has this scope may do what needs the other."""
        ordered = list(Scope)
        return ordered.index(self) >= ordered.index(needed)


class Token(Record):
    """A token as the store keeps it: `hash` is all that is known of its text."""

    id: TokenId
    name: str = Field(pattern=NAME_FORM)
    scope: Scope
    hash: str = Field(repr=False)
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Return whether it opens anything at `now`."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def token_text(token: TokenId, secret: str) -> str:
    """Return the text that its owner keeps: it names the token and holds the secret."""
    return f"{_MARK}_{token}_{secret}"


def id_in(text: str) -> TokenId:
    """Return the id that a token's text names, empty when the text is none."""
    mark, _, rest = text.partition("_")
    return TokenId(rest.partition("_")[0] if mark == _MARK else "")


def hash_of(text: str) -> str:
    """Return SHA-256 of a token's whole text.

    A slow hash guards words that people choose and others guess. A token holds 256 random bits:
    nobody guesses it at any speed, and a slow hash would only make every request dear.
    """
    return sha256(text.encode()).hexdigest()
