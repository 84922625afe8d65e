"""Follows the lifespan protocol of the wrapped application, or speaks it in its stead."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from dreamnet.health.lifecycle import Lifecycle

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]
_Connection = tuple[_Message, _Receive, _Send]

_log = logging.getLogger("dreamnet.health")


async def run_lifespan(lifecycle: Lifecycle, app: _App | None, connection: _Connection) -> None:
    """Serve one lifespan connection.

    By the protocol an application that fails or returns before it answers has no lifespan of its
    own; the service then still starts and stops, with this function answering.
    """
    scope, receive, send = connection
    listener = _Listener(lifecycle, receive, send)
    if app is not None:
        try:
            await app(scope, listener.receive, listener.send)
        except Exception as error:
            if listener.app_answered:
                raise
            _log.info("the application has no lifespan: %s", type(error).__name__)
    if not listener.app_answered:
        await listener.answer_alone()


class _Listener:
    """Sits between server and application and tells the lifecycle what passes."""

    def __init__(self, lifecycle: Lifecycle, receive: _Receive, send: _Send) -> None:
        self.app_answered = False
        self._lifecycle = lifecycle
        self._receive = receive
        self._send = send
        self._startup_was_received = False

    async def receive(self) -> _Message:
        """Pass a message of the server on."""
        message = await self._receive()
        if message["type"] == "lifespan.startup":
            self._startup_was_received = True
            self._lifecycle.starting()
        elif message["type"] == "lifespan.shutdown":
            self._lifecycle.stopping()
        return message

    async def send(self, message: _Message) -> None:
        """Pass a message of the application on."""
        self.app_answered = True
        await self._tell(message)

    async def answer_alone(self) -> None:
        """Answer startup and shutdown for an application that does not."""
        if not self._startup_was_received:
            await self.receive()
        await self._tell({"type": "lifespan.startup.complete"})
        await self.receive()
        await self._tell({"type": "lifespan.shutdown.complete"})

    async def _tell(self, message: _Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            self._lifecycle.serving()
        elif message["type"] in {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
            self._lifecycle.stopped()
        await self._send(message)
