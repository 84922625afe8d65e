"""Actions: what was proposed, what was let out, and what became of it."""

from fastapi import APIRouter
from starlette.responses import Response

from dreamnet.model.actions import ActionId
from dreamnet.web.face import AnyFace, Caller, Face, Limit, Node, answer
from dreamnet.web.problems import no_such
from dreamnet.web.replies import Ask, Key, Replies, Reply
from dreamnet.web.views import action_view

router = APIRouter(prefix="/api/actions", tags=["actions"])


@router.get("")
async def list_actions(node: Node, limit: Limit = 50) -> Response:
    """Return actions, newest first."""
    actions = await node.store.read(lambda tx: tx.actions.recent(limit))
    return answer({"actions": [action_view(action) for action in actions]})


@router.get("/{action}")
async def get_action(action: str, node: Node) -> Response:
    """Return one action; `done` tells whether its outcome is known."""
    found = await node.store.read(lambda tx: tx.actions.get(ActionId(action)))
    if found is None:
        raise no_such("action", listed_at="/api/actions")
    return answer(action_view(found))


@router.post("/{action}/approve")
async def approve_action(
    action: str, face: AnyFace, caller: Caller, idempotency_key: Key = None
) -> Response:
    """Let a waiting action out; 409 when it is decided already or cannot be let out now."""
    return await _decide(face, Ask(f"approve {action}", None, caller, idempotency_key), action)


@router.post("/{action}/deny")
async def deny_action(
    action: str, face: AnyFace, caller: Caller, idempotency_key: Key = None
) -> Response:
    """Refuse a waiting action; 409 when it is decided already."""
    return await _decide(face, Ask(f"deny {action}", None, caller, idempotency_key), action)


async def _decide(face: Face, ask: Ask, action: str) -> Response:
    approve = ask.what.startswith("approve ")

    async def decide() -> Reply:
        decided = await face.handles.desk.decide(ActionId(action), approve=approve, by=ask.by.name)
        return Reply(200, action_view(decided) | {"link": f"/api/actions/{decided.id}"})

    async with face.deciding:
        return await Replies(face.handles, ask).question(decide)
