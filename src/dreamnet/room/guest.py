"""One connection of the gateway with one request; it ends with the answer."""

from __future__ import annotations

import asyncio
import json
from typing import cast

from dreamnet.room.request import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, Body, Request
from dreamnet.room.waiting import Room, Visit

SERVICE_HEADER = b"x-dreamnet-service"
COUNTERS_PATH = b"/room/counters"
_LINGER_S = 1.0
_READ_LIMIT_S = 30.0
_HEAD = (
    b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b"
    b"x-dreamnet-room: 1\r\nconnection: close\r\n\r\n"
)


class Connection(asyncio.Protocol):
    """One connection of the gateway, with one request; it ends with the answer."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._head = b""
        self._body: Body | None = None
        self._request: Request | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answered = False
        self.service = ""
        self.request_id = b""
        self.since_s = 0.0
        self.visit = Visit(0.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read, with a limit on how long the request may take to arrive."""
        self._transport = cast("asyncio.Transport", transport)
        self._expire(_READ_LIMIT_S)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Free the place: the client gave up, or the answer is through."""
        if self._timer is not None:
            self._timer.cancel()
        if self._room.leave(self):
            self._room.counters.left += 1

    def data_received(self, data: bytes) -> None:
        """Follow the request to its end; only its head is ever kept."""
        try:
            if self._body is None:
                self._take_head(data)
            else:
                self._take_body(data)
        except ValueError:
            self._send(b"400 Bad Request", b"", "not a request")

    def _take_head(self, data: bytes) -> None:
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if not found:
            if len(self._head) > LARGEST_HEAD_BYTES:
                raise ValueError("head too large")
            return
        self._head = b""
        self._request = Request.parse(head)
        self._body = self._request.body()
        self.service = self._request.headers.get(SERVICE_HEADER, b"").decode("latin-1")
        self.request_id = self._request.headers.get(b"x-request-id", b"")
        if not self._request.can_wait() and self.service:
            self._room.refuse(self, "this request cannot wait")
            return
        self._take_body(rest)

    def _take_body(self, data: bytes) -> None:
        body = self._body
        if body is None or self._answered:
            return
        if data and not body.complete:
            body.feed(data)
        if body.complete:
            self._complete()
        elif body.seen > LARGEST_BODY_BYTES:
            self._room.refuse(self, "this request is too large to wait")

    def _complete(self) -> None:
        """Enter once the whole request is here: the gateway sends no half request again."""
        request = self._request
        if request is None or self.since_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.since_s = asyncio.get_running_loop().time()
        if self.service:
            self._room.enter(self)
        elif request.path == COUNTERS_PATH:
            self._send(b"200 OK", b"", json.dumps(vars(self._room.counters)))
        else:
            self._send(b"404 Not Found", b"", "nothing here")

    def answer_retry(self) -> None:
        """Send the request back to the instances; the client sees this after the last try only."""
        self._answer_unavailable(b"x-hold-retry: 1\r\n", "the service did not answer")

    def answer_refused(self, why: str) -> None:
        """Tell the client to come again; the gateway must not try again."""
        self._answer_unavailable(b"x-envoy-ratelimited: 1\r\n", why)

    def _answer_unavailable(self, extra: bytes, why: str) -> None:
        problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503}
        text = json.dumps(problem | {"detail": why})
        self._send(b"503 Service Unavailable", b"retry-after: 1\r\n" + extra, text)

    def _send(self, status: bytes, extra: bytes, text: str) -> None:
        if self._transport is None or self._answered:
            return
        self._answered = True
        body = text.encode()
        kind = b"application/problem+json" if status[:1] in b"45" else b"application/json"
        has_body = self._request is None or self._request.method != b"HEAD"
        self._transport.write(
            _HEAD % (status, kind, len(body), extra) + (body if has_body else b"")
        )
        if self._body is not None and self._body.complete:
            self._transport.close()
        else:  # closing with unread bytes would reset the connection and lose the answer
            self._expire(_LINGER_S)

    def _expire(self, limit_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._timer = asyncio.get_running_loop().call_later(limit_s, self._transport.close)
