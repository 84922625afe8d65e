"""Where the service stands between start and end, apart from its dependencies."""

from __future__ import annotations

import asyncio

from dreamnet.health.drain import SigtermDrain
from dreamnet.health.heartbeat import Heartbeat


class Lifecycle:
    """Knows whether the service has started, serves, or drains."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self.heartbeat = heartbeat
        self.is_started = False
        self.is_draining = False
        self._is_starting = False
        self._is_stopped = False
        self._drain: SigtermDrain | None = None

    def request(self) -> None:
        """Begin to beat and to watch SIGTERM if no lifespan event did: a request shows we serve."""
        self.heartbeat.start()
        if not self._is_starting:
            self._install_drain()

    def starting(self) -> None:
        """Note that lifespan startup began; a second start of the same object begins afresh."""
        if self._is_stopped:
            self.is_started = self.is_draining = self._is_stopped = False
        self._is_starting = True
        self.heartbeat.start()

    def serving(self) -> None:
        """Note that lifespan startup is complete, so the server has set its signal handlers."""
        self._is_starting = False
        self._install_drain()

    def stopping(self) -> None:
        """Note that the service takes no new work."""
        self.is_draining = True

    def stopped(self) -> None:
        """Note that lifespan shutdown is complete."""
        self._is_stopped = True
        self.heartbeat.stop()
        if self._drain is not None:
            self._drain.uninstall()

    def first_ready(self) -> None:
        """Note a readiness without failure: it completes the start unless lifespan startup runs."""
        if not self._is_starting:
            self.is_started = True

    def drain_on_sigterm(self, delay: float) -> None:
        """Watch SIGTERM: at once on a running loop, else when the server serves."""
        if self._drain is not None:
            self._drain.uninstall()  # a second call replaces the first, it adds no delay
        self._drain = SigtermDrain(delay, self.stopping)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self._install_drain()

    def _install_drain(self) -> None:
        if self._drain is not None:
            self._drain.install()
