"""A process in its own session that outlives the node and is adopted by the next one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from dreamnet.drivers.gateway.base import Part
from dreamnet.drivers.gateway.files import read_json, rotate_when_large
from dreamnet.kernel.deaths import wait_exit
from dreamnet.kernel.files import write_whole
from dreamnet.kernel.processes import Identity, command_line, reap, signal_process
from dreamnet.model.instances import Exit


@dataclass(frozen=True)
class Command:
    """What to run; `mark` is the argument that tells it from every other process."""

    arguments: tuple[str, ...]
    mark: str
    environment: Mapping[str, str]
    log: Path
    identity_file: Path


class Detached:
    """One such process: started or adopted, watched, stopped."""

    def __init__(self, part: Part, command: Command) -> None:
        self.part: Part = part
        self._command = command
        self._identity: Identity | None = None
        self._stopping = False

    @property
    def identity(self) -> Identity | None:
        """Return who it is, dead or alive; None before the first start or adoption."""
        return self._identity

    @property
    def runs(self) -> bool:
        """Tell whether it is alive; a look that fails (no file handles left) tells of no death."""
        try:
            return self._identity is not None and self._identity.is_alive()
        except OSError:
            return True

    def adopt(self) -> bool:
        """Take over the process an earlier node left; false when it is gone or another one."""
        known = _read_identity(self._command.identity_file)
        if known is None or not known.is_alive():
            return False
        if self._command.mark not in command_line(known.pid):
            return False
        self._identity = known
        return True

    def start(self) -> None:
        """Start it in a session of its own; OSError when the program cannot be run."""
        rotate_when_large(self._command.log)
        log = str(self._command.log)
        pid = os.posix_spawn(
            self._command.arguments[0],
            list(self._command.arguments),
            dict(self._command.environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE],
        )
        self._stopping = False
        self._identity = Identity.of(pid)
        if self._identity is not None:
            write_whole(self._command.identity_file, json.dumps(asdict(self._identity)))

    async def ended(self) -> None:
        """Return at the moment it dies."""
        if self._identity is not None:
            await wait_exit(self._identity)

    def exit(self, at: datetime) -> Exit:
        """Return how it ended; an adopted process leaves no status."""
        status = reap(self._identity.pid) if self._identity is not None else None
        if status is None:
            return Exit(at=at, expected=self._stopping)
        return Exit(at=at, code=status.code, signal=status.signal, expected=self._stopping)

    async def stop(self, grace: timedelta) -> None:
        """SIGTERM, after `grace` SIGKILL; returns when it is dead."""
        self._stopping = True
        if self._identity is None:
            return
        signal_process(self._identity, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await self.ended()
        except TimeoutError:
            signal_process(self._identity, signal.SIGKILL)
            await self.ended()
        reap(self._identity.pid)
        with contextlib.suppress(OSError):  # a note of a dead process misleads nobody
            self._command.identity_file.unlink(missing_ok=True)


def _read_identity(path: Path) -> Identity | None:
    document = read_json(path)
    if not isinstance(document, dict):
        return None
    entry = cast("dict[str, object]", document)
    pid, ticks, boot = entry.get("pid"), entry.get("start_ticks"), entry.get("boot_id")
    if isinstance(pid, int) and isinstance(ticks, int) and isinstance(boot, str):
        return Identity(pid, ticks, boot)
    return None
