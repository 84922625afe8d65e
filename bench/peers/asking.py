"""Asks addresses from outside whether they answer as they should."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp

from dreamnet.kernel.ports import is_free
from dreamnet.testing.instant import now

ASK_EVERY_S = 0.05
ASK_LIMIT_S = 0.3
# Below what Linux gives to outgoing connections: those could take the port of a dead service.
_PORTS = range(15_000, 32_000)


@dataclass(frozen=True)
class Question:
    """An address that answers 200 when something is well."""

    url: str
    host: str = ""


async def instant_of_health(question: Question, until: float) -> float | None:
    """The first instant at which it is well; None if that does not come in time."""
    async with _session() as session:
        while now() < until:
            if await _is_well(session, question) and (instant := now()) < until:
                return instant
            await asyncio.sleep(ASK_EVERY_S)
    return None


async def all_well(questions: Iterable[Question], limit_s: float) -> None:
    """Wait until everything is well; TimeoutError with the first that is not."""
    until = now() + limit_s
    for question in questions:
        if await instant_of_health(question, until) is None:
            raise TimeoutError(f"{question.url} was not well within {limit_s:.0f} s")


def quiet_port() -> int:
    """A free port that no outgoing connection will ever take."""
    while True:
        port = random.choice(_PORTS)
        if is_free("127.0.0.1", port):
            return port


def _session() -> aiohttp.ClientSession:
    limit = aiohttp.ClientTimeout(total=ASK_LIMIT_S)
    connector = aiohttp.TCPConnector(force_close=True)
    return aiohttp.ClientSession(timeout=limit, connector=connector, trust_env=False)


async def _is_well(session: aiohttp.ClientSession, question: Question) -> bool:
    headers = {"Host": question.host} if question.host else {}
    try:
        async with session.get(question.url, headers=headers) as answer:
            await answer.read()
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
