"""Dreams: what went wrong, what was done, and how it ended."""

from fastapi import APIRouter
from starlette.responses import Response

from dreamnet.drivers.store.base import Tx
from dreamnet.model.cases import Case, CaseId, CaseKind
from dreamnet.web.face import Limit, Node, answer
from dreamnet.web.problems import no_such
from dreamnet.web.views import View, dream_view, whole_dream_view

MOST_MESSAGES = 200

router = APIRouter(prefix="/api/dreams", tags=["dreams"])


@router.get("")
async def list_dreams(node: Node, *, live: bool | None = None, limit: Limit = 50) -> Response:
    """Return dreams, newest first; with `live` only those that go on, or only those that ended."""
    cases = await node.store.read(lambda tx: _found(tx, limit, live=live))
    return answer({"dreams": [dream_view(case) for case in cases]})


def _found(tx: Tx, limit: int, *, live: bool | None) -> list[Case]:
    if live is None:
        return tx.cases.recent(CaseKind.DREAM, limit)
    going_on = tx.cases.live(CaseKind.DREAM)
    if live:
        return going_on[::-1][:limit]
    recent = tx.cases.recent(CaseKind.DREAM, limit + len(going_on))
    return [case for case in recent if not case.live][:limit]


@router.get("/{dream}")
async def get_dream(dream: str, node: Node) -> Response:
    """Return all of a dream: its story, tries, bundle, actions and messages."""

    def find(tx: Tx) -> View | None:
        case = tx.cases.get(CaseId(dream))
        if case is None:
            return None
        actions = tx.actions.of_case(case.id)
        messages = tx.messages.recent(MOST_MESSAGES, case=case.id)[::-1]
        return whole_dream_view(case, actions, messages)

    found = await node.store.read(find)
    if found is None:
        raise no_such("dream", listed_at="/api/dreams")
    return answer(found)
