"""The ledger, as pages and as a live stream of server-sent events."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from dreamnet.drivers.store.base import LedgerRow, Store
from dreamnet.web.face import LARGEST_NUMBER, After, AnyFace, Limit, Node, answer, to_json
from dreamnet.web.problems import Problem
from dreamnet.web.streams import Put, Stream
from dreamnet.web.views import row_view

LOOK_EVERY_S = 0.2
ROWS_AT_ONCE = 200
_OPENING = b"retry: 1000\n: the ledger, row by row\n\n"

router = APIRouter(tags=["ledger"])


@router.get("/api/ledger")
async def list_ledger(node: Node, after: After | None = None, limit: Limit = 100) -> Response:
    """Return the rows after a number, or else the last ones; oldest first."""
    rows = await node.store.read(lambda tx: tx.ledger.tail(limit, after))
    return answer({"rows": [row_view(row) for row in rows]})


@router.get(
    "/api/events",
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_events(
    face: AnyFace,
    after: After | None = None,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Stream the ledger: what comes after `Last-Event-ID` or `after`, else what is new from now."""
    store = face.handles.store
    start = _number(last_event_id) if last_event_id else after
    if start is None:
        last = await store.read(lambda tx: tx.ledger.tail(1))
        start = last[-1].seq if last else 0

    async def produce(put: Put) -> None:
        await put(_OPENING)
        await _follow(store, start, put)

    return face.streams.answer(Stream(produce, "text/event-stream", beat=b": beat\n\n"))


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= LARGEST_NUMBER:
        mend = "send the id of the last event seen, or leave it out"
        raise Problem(422, "invalid", "Last-Event-ID is the number of a row", mend=mend)
    return number


async def _follow(store: Store, start: int, put: Put) -> None:
    seen = start
    while True:
        after = seen
        rows = await store.read(lambda tx, after=after: tx.ledger.tail(ROWS_AT_ONCE, after))
        for row in rows:
            await put(_event(row))
            seen = row.seq
        if len(rows) < ROWS_AT_ONCE:
            await asyncio.sleep(LOOK_EVERY_S)


def _event(row: LedgerRow) -> bytes:
    kind = row.kind.replace("\n", " ").replace("\r", " ")
    return f"id: {row.seq}\nevent: {kind}\ndata: ".encode() + to_json(row_view(row)) + b"\n\n"
