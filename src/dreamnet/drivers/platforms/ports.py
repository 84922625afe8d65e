"""Finds a free port for an instance."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Container
from hashlib import sha256
from pathlib import Path

from dreamnet.kernel.errors import Unavailable

LOOPBACK = "127.0.0.1"
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_LOW = 32768
_SPAN = 8192
_REMEMBERED = 256


class Ports:
    """Hands out ports below the kernel's own range, so that no outgoing connection takes one.

    Between this look and the application's bind another program may take the port; the
    application then ends at once and its next start gets another one.
    """

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)

    def choose(self, seed: str, taken: Container[int]) -> int:
        """Return a free port, not `taken` nor handed out lately; `seed` says where to begin."""
        low, span = _range()
        first = int.from_bytes(sha256(seed.encode()).digest()[:4], "big")
        for step in range(span):
            port = low + (first + step) % span
            if port not in taken and port not in self._recent and _is_free(port):
                self._recent.append(port)
                return port
        raise Unavailable(f"no free port between {low} and {low + span - 1} on {LOOPBACK}")


def _range() -> tuple[int, int]:
    try:
        low = int(_RANGE_FILE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        low = _USUAL_LOW
    first = max(1024, low - _SPAN)
    return (first, low - first) if low - first >= _REMEMBERED * 2 else (_USUAL_LOW, _SPAN)


def _is_free(port: int) -> bool:
    """Stricter than kernel/ports: an application may bind without SO_REUSEADDR."""
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
