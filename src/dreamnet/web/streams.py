"""Answers without an end: bounded in number and memory, and ended when the node ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dreamnet.kernel.errors import DreamNetError
from dreamnet.kernel.log import logger
from dreamnet.kernel.tasks import Tasks, Wake
from dreamnet.web.problems import Problem

MOST_STREAMS = 64
BEAT_S = 15.0
TOKEN_LOOK_S = 0.5
_HELD_CHUNKS = 1000

Put = Callable[[bytes], Awaitable[None]]
Produce = Callable[[Put], Awaitable[None]]

log = logger("web")


class _Line:
    """Chunks on their way to one reader; a slow reader makes the producer wait."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._room = Wake()
        self.wake = Wake()
        self.over = False

    async def put(self, chunk: bytes) -> None:
        while len(self._chunks) >= _HELD_CHUNKS:
            await self._room.wait(1.0)
        self._chunks.append(chunk)
        self.wake.ring()

    def take(self) -> bytes:
        chunks = b"".join(self._chunks)
        self._chunks.clear()
        self._room.ring()
        return chunks

    def end(self) -> None:
        self.over = True
        self.wake.ring()


class Streams:
    """Every open stream of the node; `may_go_on` tells whether a request's token still holds."""

    def __init__(self, may_go_on: Callable[[Scope], bool], most: int = MOST_STREAMS) -> None:
        self._may_go_on = may_go_on
        self._most = most
        self._lines: set[_Line] = set()
        self._ended = False

    @property
    def count(self) -> int:
        """Return how many are open."""
        return len(self._lines)

    def end(self) -> None:
        """End every stream, and every later one at once."""
        self._ended = True
        for line in self._lines:
            line.end()

    def answer(self, stream: Stream) -> Response:
        """Return a stream as an answer; a problem when there are too many."""
        if self._ended or len(self._lines) >= self._most:
            why = "the node is stopping" if self._ended else f"{self._most} streams are open"
            mend = "close one, or ask again later"
            raise Problem(503, "no-more-streams", why, mend=mend, retry_after_s=1.0)
        return _StreamAnswer(self, stream)

    def enter(self) -> _Line:
        """Open a line for one reader."""
        line = _Line()
        line.over = self._ended
        self._lines.add(line)
        return line

    async def until_over(self, line: _Line, scope: Scope) -> None:
        """End a line once its reader's token does not hold any more."""
        while self._may_go_on(scope):  # noqa: ASYNC110  (a token also ends by time alone)
            await asyncio.sleep(TOKEN_LOOK_S)
        line.end()

    def leave(self, line: _Line) -> None:
        """Forget a line."""
        self._lines.discard(line)


@dataclass(frozen=True)
class Stream:
    """`produce` puts chunks until it returns; `beat` is sent after 15 s of silence."""

    produce: Produce
    media_type: str
    beat: bytes = b""


class _StreamAnswer(Response):
    def __init__(self, streams: Streams, stream: Stream) -> None:
        self._streams = streams
        self._stream = stream
        self.status_code = 200
        self.background = None
        self.media_type = stream.media_type
        headers: Mapping[str, str] = {"X-Accel-Buffering": "no"}
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = self._streams.enter()
        try:
            start = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **start})
            async with Tasks("stream") as tasks:
                tasks.once("produce", lambda: self._produce(line))
                tasks.once("leave", lambda: _until_gone(receive, line))
                tasks.once("token", lambda: self._streams.until_over(line, scope))
                await self._send_all(line, send)
        finally:
            self._streams.leave(line)

    async def _produce(self, line: _Line) -> None:
        try:
            await self._stream.produce(line.put)
        except DreamNetError as error:
            log.info("stream ended early", error=str(error))
        finally:
            line.end()

    async def _send_all(self, line: _Line, send: Send) -> None:
        while True:
            chunk = line.take()
            if not chunk and line.over:
                break
            if not chunk and not await line.wake.wait(BEAT_S):
                chunk = self._stream.beat
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive, line: _Line) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    line.end()
