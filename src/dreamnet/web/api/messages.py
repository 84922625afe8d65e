"""Messages between agents, and whether they arrived."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dreamnet.model.messages import MessageId
from dreamnet.web.face import Limit, Node, answer
from dreamnet.web.problems import no_such
from dreamnet.web.views import message_view

router = APIRouter(prefix="/api/messages", tags=["messages"])


@router.get("")
async def list_messages(
    node: Node,
    limit: Limit = 50,
    case: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Return messages, newest first; with `case` only those about one dream."""
    found = await node.store.read(lambda tx: tx.messages.recent(limit, case=case))
    return answer({"messages": [message_view(delivery) for delivery in found]})


@router.get("/{message}")
async def get_message(message: str, node: Node) -> Response:
    """Return one message; `done` tells whether it arrived (or is a dead letter)."""
    found = await node.store.read(lambda tx: tx.messages.get(MessageId(message)))
    if found is None:
        raise no_such("message", listed_at="/api/messages")
    return answer(message_view(found))
