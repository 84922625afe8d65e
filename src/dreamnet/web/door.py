"""The door of the HTTP face: who may come in, how much they may bring, what every answer says."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamnet.kernel.errors import Unavailable
from dreamnet.web.guard import Guard
from dreamnet.web.problems import Problem, of_error

MOST_BODY_BYTES = 1_000_000
BODY_LIMIT_S = 10.0
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Door:
    """Answers refusals itself and hands everything else to `app` with the body already read.

    The `open_paths` need no token, and no limit holds back those who watch the node by them. With
    `any_host` a node that others may reach answers under whatever name they know it by; a foreign
    page has no token to send.
    """

    def __init__(
        self, app: ASGIApp, guard: Guard, open_paths: Container[str], *, any_host: bool
    ) -> None:
        self._app = app
        self._guard = guard
        self._open_paths = open_paths
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        guarded = _with_security_headers(send)
        headers = Headers(scope=scope)
        try:
            host = check_host(headers, any_host=self._any_host)
            check_origin(scope["method"], headers, host)
            if scope["path"] in self._open_paths:
                self._guard.recognise(scope, headers)
            else:
                self._guard.admit(scope, headers)
            inner = receive
            if scope["method"] not in _READING:
                inner = _replayed(await _read(headers, receive), receive)
        except Unavailable as error:
            await of_error(error).response()(scope, receive, guarded)
            return
        except Problem as problem:
            await problem.response()(scope, receive, guarded)
            return
        await self._app(scope, inner, guarded)


def check_host(headers: Headers, *, any_host: bool) -> str:
    """Return the Host header; raise 403 for a name that a foreign page may have brought here.

    A page can let its own name point to 127.0.0.1, so the name asked for must be the machine's own.
    """
    hosts = headers.getlist("host")
    host = hosts[0] if len(hosts) == 1 else ""
    if not (any_host or is_loopback(host)):
        raise Problem(
            403,
            "foreign-host",
            "the Host header does not name this machine",
            mend="ask 127.0.0.1, localhost or [::1]",
        )
    return host


def check_origin(method: str, headers: Headers, host: str) -> None:
    """Raise 403 when a page served from elsewhere, even by another port here, wants to post."""
    origin = headers.get("origin")
    if method not in _READING and origin is not None and not _same_origin(origin, host):
        raise Problem(
            403,
            "foreign-origin",
            "requests that change something are not taken from other web pages",
            mend="send it without an Origin header, from a program",
        )


def is_loopback(host: str) -> bool:
    """Return whether a Host header names loopback: 127.0.0.1, localhost, [::1], any port."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname
        clean = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if name is None or not clean or parts.netloc != host or "@" in host:
        return False
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _same_origin(origin: str, host: str) -> bool:
    scheme, _, rest = origin.partition("://")
    return scheme == "http" and rest.lower() == host.lower()


async def _read(headers: Headers, receive: Receive) -> bytes:
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            body = await _collect(receive)
    except TimeoutError:
        words = f"the body did not arrive within {BODY_LIMIT_S:g} s"
        raise Problem(408, "slow-body", words, mend="send it at once") from None
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        mend = "send the header Content-Type: application/json"
        raise Problem(415, "not-json-type", "only JSON is accepted", mend=mend)
    return body


async def _collect(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "cut-off", "the body was cut off", mend="send it again")
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            words = f"the body is larger than {MOST_BODY_BYTES} bytes"
            raise Problem(413, "large-body", words, mend="send less")
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_security_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            message = {**message, "headers": headers.raw}
        await send(message)

    return guarded
