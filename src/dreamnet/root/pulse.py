"""The pulse of a node: asked beat by beat whether its loop turns; missed beats are counted."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from dreamnet.root.living import is_stopped, recorded_url, waited_s

BEAT_S = 2.0
MISSES = 5  # so many beats in a row without any answer: about ten seconds
# A node that waited for a processor most of a beat is starved, which a restart would make worse:
# such a beat counts this much. It does count, for a busy loop on a busy machine is a hang too.
STARVED = 0.25
_CONNECT_LIMIT_S = 0.2
_DEFAULT_PORT = 80


class Pulse:
    """Asks one node each beat over a new connection; any answer to any question is life.

    Beats are counted and not seconds, so that a machine that slept, or was too busy to let root
    run, kills nobody; an answer that comes late still counts. A node that has not written its
    record yet is starting (or has ended on purpose): it misses a beat only while it is stopped.
    """

    def __init__(
        self, record: Path, pid: int, now_s: float, waited: Callable[[int], float] = waited_s
    ) -> None:
        self._record = record
        self._pid = pid
        self._waited = waited
        self._waited_s = waited(pid)
        self._due_s = now_s + BEAT_S
        self._asked: list[socket.socket] = []
        self._owes = False  # something was asked that is not answered
        self._misses = 0.0
        self._silent = 0

    @property
    def due_s(self) -> float:
        """Return the instant of the next beat, on the clock of `beat`."""
        return self._due_s

    @property
    def handles(self) -> list[socket.socket]:
        """Return what becomes readable when the node answers."""
        return self._asked

    @property
    def is_lost(self) -> bool:
        """Return whether the node hangs."""
        return self._misses >= MISSES

    @property
    def silence(self) -> str:
        """Return in words for how long the node has not answered."""
        return f"did not answer for {self._silent * BEAT_S:.0f} s"

    def beat(self, now_s: float) -> None:
        """Hear the answers that came; at the beat count a miss, or ask again."""
        self._listen()
        if now_s < self._due_s:
            return
        came_late = now_s - self._due_s > BEAT_S  # root itself was held up: nothing is proven
        self._due_s = now_s + BEAT_S
        weight = self._weight()
        if self._owes and not came_late:
            self._silent += 1
            self._misses += weight
        self._ask()

    def _weight(self) -> float:
        before, self._waited_s = self._waited_s, self._waited(self._pid)
        return STARVED if self._waited_s - before > BEAT_S / 2 else 1.0

    def _felt(self) -> None:
        self._misses, self._silent = 0.0, 0

    def close(self) -> None:
        """Ask no more."""
        while self._asked:
            self._asked.pop().close()

    def _listen(self) -> None:
        if not self._asked:
            return
        for one in select.select(self._asked, [], [], 0)[0]:
            if _has_answered(one):
                self._owes = False
                self._felt()
                self.close()
                return
            self._asked.remove(one)
            one.close()

    def _ask(self) -> None:
        url = recorded_url(self._record, self._pid)
        if not url:
            self.close()
            self._owes = is_stopped(self._pid)
            if not self._owes:
                self._felt()
            return
        self._owes = True
        if self.is_lost:  # one that cannot die at once (a hung disk) is not asked on for hours
            return
        with contextlib.suppress(OSError, ValueError):
            self._asked.append(_question(url))


def _question(url: str) -> socket.socket:
    """Send the question and return where its answer will come; OSError when nobody listens."""
    place = urlsplit(url)
    address = (place.hostname or "", place.port or _DEFAULT_PORT)
    connection = socket.create_connection(address, timeout=_CONNECT_LIMIT_S)
    try:
        lines = ("GET /health/live HTTP/1.1", f"Host: {place.netloc}", "Connection: close")
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        connection.settimeout(0)
    except OSError:
        connection.close()
        raise
    return connection


def _has_answered(connection: socket.socket) -> bool:
    """Tell whether anything came: even a refusal needs an event loop that turns."""
    try:
        return bool(connection.recv(4096))
    except OSError:
        return False
