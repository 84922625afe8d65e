"""Looks at who has the ports of the API and the gateway."""

from __future__ import annotations

import contextlib
import os

import psutil

from dreamnet.app.doctor.doors import Door
from dreamnet.kernel.ports import is_free
from dreamnet.model.address import Address


def look_at_door(name: str, listen: Address, ours: int | None) -> Door:
    """Return the state of one address; `ours` is the pid of our own part that should have it."""
    try:
        if is_free(listen.host, listen.port):
            return Door(name, str(listen), free=True)
    except OSError as error:
        words = error.strerror or str(error)
        return Door(name, str(listen), free=False, problem=words)
    holders = _holders(listen.port)
    return Door(
        name,
        str(listen),
        free=False,
        ours=ours is not None and (not holders or ours in holders),
        holder=", ".join(_named(pid) for pid in sorted(holders)),
    )


def _holders(port: int) -> set[int]:
    """Return the pids that listen on a port; without rights on others' processes only our own."""
    with contextlib.suppress(psutil.Error, OSError):
        return {
            one.pid
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN
            and one.laddr
            and one.laddr.port == port
            and one.pid is not None
        }
    return set()


def _named(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{psutil.Process(pid).name()} (pid {pid})"
    return f"pid {pid}" if os.path.lexists(f"/proc/{pid}") else "a program that has just ended"
