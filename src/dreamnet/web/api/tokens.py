"""Tokens of the API: made, listed and revoked; a token's text is shown once."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from dreamnet.model.tokens import NAME_FORM, Scope, Token, TokenId
from dreamnet.web.face import UNPARSABLE, Caller, Node, answer
from dreamnet.web.handles import Handles
from dreamnet.web.keyring import Wish
from dreamnet.web.requests import Body
from dreamnet.web.views import View

LONGEST_LIFE_S = 10 * 365 * 86_400

router = APIRouter(prefix="/api/tokens", tags=["tokens"])


class NewToken(Body):
    """A token to be made."""

    name: str = Field(pattern=NAME_FORM, description="who or what uses it; shown in the ledger")
    scope: Annotated[Scope, Field(strict=False)] = Field(
        description="read: look; operate: restart, scale, approve; admin: tokens too"
    )
    expires_s: int | None = Field(
        default=None, ge=1, le=LONGEST_LIFE_S, description="seconds it holds; left out: for ever"
    )


@router.get("")
async def list_tokens(node: Node) -> Response:
    """Return every token, ended ones too, oldest first; never a text or a hash."""
    return answer({"tokens": [_view(node, token) for token in node.keyring.tokens()]})


@router.post("", status_code=201, responses=UNPARSABLE)
async def create_token(wanted: NewToken, node: Node, caller: Caller) -> Response:
    """Make a token; `token` in the answer is its text, which nobody can show again."""
    life = None if wanted.expires_s is None else timedelta(seconds=wanted.expires_s)
    expires = None if life is None else node.world.clock.now() + life
    wish = Wish(wanted.name, wanted.scope, expires, by=caller.name)
    made, text = await node.keyring.create(wish)
    return answer({**_view(node, made), "token": text}, 201)


@router.delete("/{token}")
async def revoke_token(token: str, node: Node, caller: Caller) -> Response:
    """End a token at once, its streams too; a second time changes nothing."""
    return answer(_view(node, await node.keyring.revoke(TokenId(token), by=caller.name)))


def _view(node: Handles, token: Token) -> View:
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope,
        "valid": token.is_valid(node.world.clock.now()),
        "created": token.created,
        "expires": token.expires,
        "revoked": token.revoked,
    }
