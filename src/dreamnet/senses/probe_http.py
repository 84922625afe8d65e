"""The HTTP probe: one GET over a new connection; 200 to 399 is good."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import cast

import httptools
from yarl import URL

from dreamnet.model.services import Probe
from dreamnet.senses.asker import Answer
from dreamnet.senses.oserror import in_words
from dreamnet.senses.secrecy import Quote
from dreamnet.senses.target import Target

_MOST_BODY_BYTES = 1024
_MOST_HEAD_BYTES = 32_768
_HIGHEST_PORT = 65_535
_REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: dreamnet-probe\r\nAccept: */*\r\n"
    "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
)
_SILENT = Answer(good=False, output="closed the connection without an answer")
_BROKEN = Answer(good=False, output="the answer broke off")
_NO_HTTP = Answer(good=False, output="the answer is not HTTP")


class HttpAsker:
    """GETs a path, follows no redirect; a bad answer quotes the start of its body.

    Every question opens a connection of its own: a kept-alive one would go on answering while the
    service accepts nobody new (a full accept queue, a dead acceptor), which is what users meet.
    """

    async def ask(self, target: Target, probe: Probe) -> Answer:
        """GET once."""
        host, port = target.instance.host, target.instance.port
        if not 0 < port <= _HIGHEST_PORT:
            return Answer(good=False, output=f"there is no port {port}")
        loop = asyncio.get_running_loop()
        exchange = _Exchange(_request(probe.path), loop.create_future())
        try:
            transport, _ = await loop.create_connection(lambda: exchange, host, port)
        except OSError as error:
            return Answer(good=False, output=in_words(error))
        try:
            return await exchange.answer
        finally:
            transport.abort()

    async def aclose(self) -> None:
        """Nothing is shared."""


@lru_cache(maxsize=1024)
def _request(path: str) -> bytes:
    url = URL(f"http://127.0.0.1/{path.removeprefix('/')}")
    return _REQUEST.format(path=url.raw_path_qs).encode()


class _Exchange(asyncio.Protocol):
    """One question and its answer; the `on_...` methods are called by the parser."""

    def __init__(self, request: bytes, answer: asyncio.Future[Answer]) -> None:
        self.answer = answer
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._unfinished = 0  # bytes received of a head that has not come to its end
        self._head_bytes = 0
        self._status = 0
        self._ends_by_itself = False
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._request)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._settle(_NO_HTTP)
        self._unfinished += 0 if self._status else len(data)
        if self._unfinished > _MOST_HEAD_BYTES:
            self._settle(_NO_HTTP)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError):
            self._settle(Answer(good=False, output=in_words(exc)))
        elif not self._status:
            self._settle(_SILENT)
        elif self._ends_by_itself:
            self._settle(_BROKEN)
        else:
            self._settle(self._heard())

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        self._ends_by_itself |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        if self._head_bytes > _MOST_HEAD_BYTES:
            self._settle(_NO_HTTP)
        status = self._parser.get_status_code()
        if status >= 200:  # an interim answer is followed by the real one
            self._status = status

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) >= _MOST_BODY_BYTES:
            self._settle(self._heard(cut=True))

    def on_message_complete(self) -> None:
        if self._status:
            self._settle(self._heard())

    def _heard(self, *, cut: bool = False) -> Answer:
        if self._status < 400:
            return Answer(good=True, output=str(self._status))
        text = self._body[:_MOST_BODY_BYTES].decode(errors="ignore")
        return Answer(good=False, output=str(self._status), quote=Quote(text, cut=cut))

    def _settle(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)
