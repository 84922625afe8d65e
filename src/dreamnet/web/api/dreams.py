"""Dreams: what went wrong, what was done, and how it ended."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dreamnet.agents.hindsight import look_back_since
from dreamnet.domain.dreams.would import summary
from dreamnet.drivers.store.base import Tx
from dreamnet.kernel.duration import parse_duration
from dreamnet.model.cases import Case, CaseId, CaseKind
from dreamnet.web.face import Limit, Node, answer
from dreamnet.web.problems import Problem, no_such
from dreamnet.web.views import View, dream_view, whole_dream_view, would_view

MOST_MESSAGES = 200
Since = Annotated[str, Query(max_length=20, description="how far back, such as `7d`")]

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


@router.get("/would")
async def list_would(node: Node, since: Since = "7d") -> Response:
    """Return what was only observed (an office in mode `observe`), and how it ended without it.

    Newest first; `record` is an estimate: what the same remedy did before, when it was let out.
    """
    now = node.world.clock.now()
    try:
        start = now - parse_duration(since)
    except (ValueError, OverflowError):
        what = f'"{since}" is no time to look back'
        raise Problem(422, "invalid", what, mend='such as: since=7d, or "12h", "30m"') from None
    found = await node.store.read(lambda tx: look_back_since(tx, start, now))
    told = summary([one.outcome for one in found])
    return answer({"would": [would_view(one) for one in reversed(found)], "summary": told})


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
