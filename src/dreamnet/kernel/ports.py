"""Questions about TCP ports of this machine."""

from __future__ import annotations

import errno
import socket


def is_free(host: str, port: int) -> bool:
    """Return whether a server could listen on `host:port` now.

    SO_REUSEADDR lets a port count as free although old connections linger in TIME_WAIT;
    SO_REUSEPORT stays off, so a listener of our own kind still counts as taken. OSError when the
    address can never be used: not of this machine, or no right to it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that was free a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
