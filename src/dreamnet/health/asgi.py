"""The ASGI side: answers the health paths and hands everything else to the wrapped application."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from dreamnet.health.lifecycle import Lifecycle
from dreamnet.health.lifespan import run_lifespan
from dreamnet.health.probe import Probe
from dreamnet.health.report import Identity, Report

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Source:
    """What the endpoints need to know of the service."""

    lifecycle: Lifecycle
    identity: Identity
    report: Callable[[Probe], Awaitable[Report]]
    shows_details: Callable[[Scope], bool]
    mute: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer."""

    code: int
    body: Mapping[str, object]
    content_type: bytes = b"application/health+json"
    extra_headers: tuple[tuple[bytes, bytes], ...] = ()


_NOT_FOUND = Reply(404, {"title": "Not Found", "status": 404}, b"application/problem+json")
_WRONG_METHOD = Reply(
    405,
    {"title": "Method Not Allowed", "status": 405, "detail": "health answers GET and HEAD"},
    b"application/problem+json",
    ((b"allow", b"GET, HEAD"),),
)


class HealthMiddleware:
    """An ASGI application in front of `app`, or alone if there is none."""

    def __init__(
        self, source: Source, paths: Mapping[str, Probe], app: ASGIApp | None = None
    ) -> None:
        self.app = app
        self._source = source
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one connection."""
        if scope["type"] == "lifespan":
            await run_lifespan(self._source.lifecycle, self.app, (scope, receive, send))
            return
        if scope["type"] == "http":
            self._source.lifecycle.request()
            probe = self._paths.get(_path_within_mount(scope))
            if probe is not None:
                await _send_reply(scope, send, await self._answer(scope, probe))
                return
        await self._pass_on(scope, receive, send)

    async def _answer(self, scope: Scope, probe: Probe) -> Reply:
        if scope["method"] not in {"GET", "HEAD"}:
            return _WRONG_METHOD
        report = await self._source.report(probe)
        body = report.brief()
        if self._source.shows_details(scope):
            body = report.full(self._source.identity)
        elif probe is Probe.LIVE and not self._source.mute:
            body["checks"] = report.checks()  # the loop's lag: no name and no secret of the service
        return Reply(report.status.http_code, body)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await _send_reply(scope, send, _NOT_FOUND)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})


def _path_within_mount(scope: Scope) -> str:
    """Return the path below the mount point, which servers put in front of it."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and f"{path}/".startswith(f"{root}/") else path


async def _send_reply(scope: Scope, send: Send, reply: Reply) -> None:
    payload = json.dumps(reply.body, separators=(",", ":")).encode()
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", str(len(payload)).encode()),
        (b"cache-control", b"no-store"),
        *reply.extra_headers,
    ]
    await send({"type": "http.response.start", "status": reply.code, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else payload
    await send({"type": "http.response.body", "body": body})
