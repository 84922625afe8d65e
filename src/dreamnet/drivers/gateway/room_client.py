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


class RoomClient:
    """Asks one room again and again."""

    def __init__(self, address: Address) -> None:
        self._url = f"http://{address}/room/counters"
        self._session: aiohttp.ClientSession | None = None

    async def counters(self) -> RoomCounters:
        """Return the room's counters; `Unavailable` when it does not answer."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_ANSWER_LIMIT_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.get(self._url) as answer:
                return RoomCounters.model_validate_json(await answer.text())
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError) as error:
            raise Unavailable(f"the waiting room does not answer: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
