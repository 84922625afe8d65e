"""What a node is asked when it shall stop, and what it leaves running."""

from __future__ import annotations

import asyncio
import signal
from enum import StrEnum


class Stop(StrEnum):
    """What a stop leaves running."""

    EVERYTHING = "everything"
    NODE_ONLY = "node-only"
    AGAIN = "again"


class StopRequest:
    """Set once, by a signal or by the API; the first request counts."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.kind: Stop = Stop.NODE_ONLY

    def ask(self, kind: Stop) -> None:
        """Ask the node to stop."""
        if not self._event.is_set():
            self.kind = kind
            self._event.set()

    def listen(self) -> None:
        """Let SIGTERM and SIGINT stop everything and SIGUSR1 the node only."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.ask, Stop.EVERYTHING)
        loop.add_signal_handler(signal.SIGINT, self.ask, Stop.EVERYTHING)
        loop.add_signal_handler(signal.SIGUSR1, self.ask, Stop.NODE_ONLY)

    @property
    def asked(self) -> bool:
        """Return whether somebody asked."""
        return self._event.is_set()

    async def wait(self) -> Stop:
        """Wait until somebody asks."""
        await self._event.wait()
        return self.kind
