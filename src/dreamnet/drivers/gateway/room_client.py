"""Asks the waiting room for its counters."""

from __future__ import annotations

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from dreamnet.kernel.errors import Unavailable
from dreamnet.model.address import Address

_ANSWER_LIMIT_S = 2.0


class RoomCounters(BaseModel):
    """What the room did since its start; `waiting` is now."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    waiting: int
    held: int
    released: int
    refused: int
    left: int


async def room_counters(address: Address) -> RoomCounters:
    """Return the room's counters; `Unavailable` when it does not answer."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_LIMIT_S)
    url = f"http://{address}/room/counters"
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            return RoomCounters.model_validate_json(await answer.text())
    except (aiohttp.ClientError, TimeoutError, OSError, ValidationError) as error:
        raise Unavailable(f"the waiting room does not answer: {error}") from error
