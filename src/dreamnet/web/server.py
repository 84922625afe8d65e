"""The HTTP server of the node: the application, its socket, and an end that is bounded in time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from dreamnet.health.probe import probe_paths
from dreamnet.kernel.errors import Conflict, UserError
from dreamnet.kernel.log import logger
from dreamnet.model.address import Address
from dreamnet.web import problems
from dreamnet.web.api import (
    actions,
    agent,
    dreams,
    events,
    logs,
    messages,
    metrics,
    services,
    tokens,
)
from dreamnet.web.api import status as status_routes
from dreamnet.web.door import Door
from dreamnet.web.face import PROBLEM_RESPONSES, Face
from dreamnet.web.guard import Guard
from dreamnet.web.handles import Handles
from dreamnet.web.streams import Streams

BACKLOG = 512
DRAIN_LIMIT_S = 2
CLOSE_LIMIT_S = 5.0
# For the OpenAPI only: the door has judged the token before any route runs.
_BEARER = HTTPBearer(
    scheme_name="token",
    description="a token: dreamnet token create NAME --scope read|operate|admin",
    auto_error=False,
)

log = logger("web")


class App:
    """The whole ASGI application: door, health, API."""

    def __init__(self, api: FastAPI, face: Face, guard: Guard) -> None:
        self.api = api
        self._face = face
        health = face.handles.health
        open_paths = probe_paths(health.prefix, health.ready_alias)
        any_host = face.handles.settings.node.allow_remote
        self._app: ASGIApp = Door(health.wrap(api), guard, open_paths, any_host=any_host)

    @property
    def streams(self) -> Streams:
        """Return the open streams."""
        return self._face.streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)


def make_api(version: str) -> FastAPI:
    """Return every route and its OpenAPI document; it answers once it has a face."""
    api = FastAPI(
        title="DreamNet",
        version=version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=PROBLEM_RESPONSES,
        dependencies=[Security(_BEARER)],
    )
    problems.install(api)
    for nouns in (
        status_routes,
        services,
        dreams,
        actions,
        messages,
        events,
        logs,
        agent,
        metrics,
        tokens,
    ):
        api.include_router(nouns.router)
    return api


def make_app(handles: Handles) -> App:
    """Return the application of a node."""
    api = make_api(handles.version)
    guard = Guard(handles.keyring, handles.world.clock.monotonic)
    face = Face(handles, Streams(guard.still_holds))
    api.state.face = face
    return App(api, face, guard)


def bind(address: Address) -> socket.socket:
    """Return a listening socket; `Conflict` when the port is taken, `UserError` when not allowed.

    Requests that come before `serve` wait in the socket's queue.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # asyncio switches Nagle's delay (40 ms an answer) off only for sockets that say they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Only for sockets in TIME_WAIT; without SO_REUSEPORT a living listener is still a conflict.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _unbound(address, error) from error
    listener.settimeout(0)
    return listener


def _unbound(address: Address, error: OSError) -> UserError:
    mend = "stop what listens there, or set another address: [node] listen in dreamnet.toml"
    if error.errno == errno.EADDRINUSE:
        return Conflict.of(
            f"the API's address {address} is taken", where="[node] listen", mend=mend
        )
    words = f"the API cannot listen on {address}: {error.strerror}"
    return UserError.of(words, where="[node] listen", mend="choose another address and port")


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals to the node."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture nothing."""
        yield


class Server:
    """Serves an application on a listening socket, in the running loop."""

    def __init__(self, app: App, listener: socket.socket) -> None:
        self._app = app
        self._listener = listener
        self._running: _Uvicorn | None = None
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()
        host, port = listener.getsockname()[:2]
        self.url = f"http://{Address(host=host, port=port).from_here}"

    async def serve(self) -> None:
        """Serve until `close`, then stay until cancelled: a loop that ends would count as an error.

        May be called again after an error.
        """
        if not self._closing:
            await self._serve()
        if not self._closing:
            return
        await asyncio.Event().wait()

    async def _serve(self) -> None:
        self._running = _Uvicorn(_config(self._app))
        self._idle.clear()
        try:
            # A copy: uvicorn closes what it is given, and a second start needs the original.
            await self._running.serve(sockets=[self._listener.dup()])
        finally:
            self._running = None
            self._idle.set()

    async def close(self) -> None:
        """Take no more requests, end the streams, and let the others finish, at most 5 s."""
        self._closing = True
        self._listener.close()
        self._app.streams.end()
        if self._running is not None:
            self._running.should_exit = True
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("the server did not end in time", limit_s=CLOSE_LIMIT_S)
            if self._running is not None:
                self._running.force_exit = True


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_LIMIT_S,
        backlog=BACKLOG,
    )
