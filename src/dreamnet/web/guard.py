"""Who may come in: a token for everything but health, and not faster than is good."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope as AsgiScope

from dreamnet.kernel.errors import Unavailable
from dreamnet.model.tokens import Token
from dreamnet.web.bucket import Buckets, Rate
from dreamnet.web.keyring import Keyring
from dreamnet.web.problems import Problem
from dreamnet.web.scopes import SCOPES, Scopes

ADMITTED = "dreamnet.admitted"
# A person, a dashboard and a few scripts at once stay far below; a runaway loop does not.
ASKING = Rate(burst=1000, per_s=200)
FAILING = Rate(burst=30, per_s=1)
_REALM = 'Bearer realm="dreamnet"'
_HOW_TO_GET_IN = (
    "send the header Authorization: Bearer TOKEN; on the node's machine the data directory's "
    "file `token` holds one, else ask its admin for `dreamnet token create`"
)


def has_token(scope: Mapping[str, Any]) -> bool:
    """Return whether a request came with a valid token; each may read."""
    return scope.get(ADMITTED) is not None


class Guard:
    """Judges each request before its body is read.

    A caller with a token spends from the token's own bucket, so nobody without one can use it up.
    """

    def __init__(self, keyring: Keyring, seconds: Callable[[], float]) -> None:
        self._keyring = keyring
        self._scopes = Scopes(SCOPES)
        self._seconds = seconds
        self._asking = Buckets(ASKING)
        self._failing = Buckets(FAILING)

    def recognise(self, scope: AsgiScope, headers: Headers) -> None:
        """Note the token of a request to an open page, if it has a valid one; refuse nobody."""
        text = _bearer(headers)
        with contextlib.suppress(Unavailable):  # the node is starting: it stays mute
            scope[ADMITTED] = self._keyring.find(text) if text else None

    def admit(self, scope: AsgiScope, headers: Headers) -> None:
        """Note the token of a request; raise 401, 403 or 429 when it may not come in."""
        text = _bearer(headers)
        token = self._keyring.find(text) if text else None
        if token is None:
            raise self._unknown(_source(scope), told=bool(text))
        wait_s = self._asking.take(token.id, self._seconds())
        if wait_s:
            raise _too_fast("this token asks too often", wait_s)
        self._check_scope(scope, token)
        scope[ADMITTED] = token

    def still_holds(self, scope: AsgiScope) -> bool:
        """Return whether the token that a request came with is still valid."""
        token = scope.get(ADMITTED)
        return token is not None and self._keyring.is_valid(token)

    def _unknown(self, source: str, *, told: bool) -> Problem:
        wait_s = self._failing.take(source, self._seconds())
        if wait_s:
            return _too_fast("too many requests without a valid token", wait_s)
        if not told:
            challenge = {"WWW-Authenticate": _REALM}
            words = "the API needs a token"
            return Problem(401, "no-token", words, mend=_HOW_TO_GET_IN, more_headers=challenge)
        challenge = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
        words = "this token is unknown, expired or revoked"
        return Problem(401, "wrong-token", words, mend=_HOW_TO_GET_IN, more_headers=challenge)

    def _check_scope(self, scope: AsgiScope, token: Token) -> None:
        needed = self._scopes.needed(scope["method"], scope["path"])
        if token.scope.covers(needed):
            return
        challenge = f'{_REALM}, error="insufficient_scope", scope="{needed}"'
        raise Problem(
            403,
            "small-scope",
            f'this needs a token of scope {needed}; "{token.name}" has scope {token.scope}',
            mend=f"dreamnet token create NAME --scope {needed}",
            more_headers={"WWW-Authenticate": challenge},
        )


def _too_fast(words: str, wait_s: float) -> Problem:
    return Problem(429, "too-fast", words, mend="wait, then ask less often", retry_after_s=wait_s)


def _bearer(headers: Headers) -> str:
    """Return the token that was sent, empty when none was; two headers are as good as none."""
    sent = headers.getlist("authorization")
    kind, _, text = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    return text.strip() if kind.lower() == "bearer" else ""


def _source(scope: AsgiScope) -> str:
    """Return who asks: the address, of IPv6 the network that one customer has."""
    client: Any = scope.get("client")
    host = str(client[0]) if client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else host
