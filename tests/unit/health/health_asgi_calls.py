"""Calls an ASGI application without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Got:
    """An HTTP answer."""

    code: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


async def call(app: Any, path: str, method: str = "GET", **scope: Any) -> Got:
    """Make one HTTP request."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"test")]
    full = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(full | scope, receive, send)
    head = sent[0]
    content = b"".join(each.get("body", b"") for each in sent[1:])
    return Got(head["status"], {k.decode(): v.decode() for k, v in head["headers"]}, content)


@dataclass
class Lifespan:
    """A lifespan connection that a test drives."""

    app: Any
    sent: list[str] = field(default_factory=list)
    _to_app: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    _from_app: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def run(self) -> None:
        async def send(message: Any) -> None:
            self.sent.append(message["type"])
            await self._from_app.put(message["type"])

        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        await self.app(scope, self._to_app.get, send)

    async def exchange(self, kind: str) -> str:
        await self._to_app.put({"type": kind})
        return await asyncio.wait_for(self._from_app.get(), 5)


async def eventually(
    holds: Callable[[], bool] | Callable[[], Awaitable[bool]], limit: float = 10.0
) -> None:
    """Wait until a condition holds, at most `limit` seconds."""
    async with asyncio.timeout(limit):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


@contextmanager
def released(event: Any) -> Iterator[None]:
    """Set the event at the end, so that no thread outlives a failed test."""
    try:
        yield
    finally:
        event.set()
