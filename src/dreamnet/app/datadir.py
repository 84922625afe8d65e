"""The data directory: who holds it, which node runs, how the last one ended."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dreamnet.app.reserve import Reserve
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.environ import variable
from dreamnet.kernel.errors import UserError
from dreamnet.kernel.files import write_whole
from dreamnet.kernel.ids import fresh_id
from dreamnet.kernel.processes import Identity
from dreamnet.model.facts import PartDied
from dreamnet.model.instances import Exit
from dreamnet.root import AGAIN_CODE

ROOM_BYTES = 256 * 1024  # what the start of a node writes, generously
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PERMISSION = "give yourself write permission, or set another [node] data_dir"
_MENDS = {
    errno.ENOSPC: "free space on this disk",
    errno.EDQUOT: "free space: your quota on this disk is used up",
    errno.EROFS: "this file system is mounted read-only: mount it for writing",
}
# How root words the end of a node that asked to be started again.
_AGAIN = f"exit code {AGAIN_CODE}"


class Taken(UserError):
    """Another node holds the data directory."""


@dataclass(frozen=True)
class DataDir:
    """Paths of everything DreamNet keeps on disk; others have no rights there."""

    path: Path

    @property
    def database(self) -> Path:
        """Return the file of the default store."""
        return self.path / "dreamnet.db"

    @property
    def instances(self) -> Path:
        """Return the folder of the process platform."""
        return self.path / "instances"

    @property
    def gateway(self) -> Path:
        """Return the folder of the gateway."""
        return self.path / "gateway"

    @property
    def log_file(self) -> Path:
        """Return the node's own log."""
        return self.path / "logs" / "dreamnet" / "node.log"

    @property
    def reserve(self) -> Reserve:
        """Return the room kept on the disk."""
        return Reserve(self.path)

    @property
    def halt_file(self) -> Path:
        """Return the kill switch."""
        return self.path / "halt"

    @property
    def token_file(self) -> Path:
        """Return the file of the token that commands on this machine use."""
        return self.path / "token"

    @property
    def record(self) -> Path:
        """Return the file that says which node runs and where it answers."""
        return self.path / "node.json"

    def create(self) -> None:
        """Make the folder ours alone; UserError when it cannot be that or cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._shut()
            self.reserve.give_if_full()
            probe = self.path / f".write-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except (FileExistsError, NotADirectoryError) as error:
            raise UserError.of(
                "the data directory is a file",
                where=str(self.path),
                mend="set another [node] data_dir",
            ) from error
        except OSError as error:
            raise UserError.of(
                f"the data directory cannot be written: {error.strerror}",
                where=str(self.path),
                mend=_MENDS.get(error.errno or 0, _PERMISSION),
            ) from error

    def _shut(self) -> None:
        """Take the rights of others from the folder: in it lie tokens and what services said."""
        found = self.path.stat()
        if found.st_uid != os.geteuid():
            raise UserError.of(
                f"the data directory belongs to user {found.st_uid}, not to {os.geteuid()}",
                where=str(self.path),
                mend="set [node] data_dir to a folder in it, or run this as its user",
            )
        if found.st_mode & _OTHERS:
            self.path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
        if self.path.stat().st_mode & _OTHERS:
            raise UserError.of(
                "others may read the data directory: its file system keeps no rights",
                where=str(self.path),
                mend="set another [node] data_dir",
            )

    def require_room(self) -> None:
        """Prove that some notes can be written; OSError when they cannot (full, read-only)."""
        probe = self.path / ".room"
        try:
            probe.write_bytes(bytes(ROOM_BYTES))
        finally:
            probe.unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self) -> Generator[None]:
        """Hold the directory; `Taken` when another node has it."""
        handle = os.open(self.path / "node.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise Taken.of(
                "another node works in this data directory",
                where=str(self.path),
                mend="dreamnet status, or dreamnet down to stop it",
            ) from error
        try:
            yield
        finally:
            os.close(handle)

    def owner(self) -> str:
        """Return the name of this directory's node, the same for every restart."""
        file = self.path / "node-id"
        with contextlib.suppress(FileNotFoundError):
            known = file.read_text().strip()
            if known:
                return known
        made = fresh_id("node")
        write_whole(file, made, durable=True)
        return made

    def write_record(self, url: str, version: str, started: datetime) -> None:
        """Say which node runs; removed again only by a stop on purpose."""
        me = Identity.of(os.getpid())
        if me is None:
            raise UserError.of("this process cannot be identified")
        record = {
            "pid": me.pid,
            "start_ticks": me.start_ticks,
            "boot_id": me.boot_id,
            "url": url,
            "version": version,
            "started": started.isoformat(),
        }
        write_whole(self.record, json.dumps(record), durable=True)

    def previous_death(self, clock: Clock) -> PartDied | None:
        """Return how the last node died, None when it stopped on purpose or never was."""
        if not self.record.exists():
            return None
        now = clock.now()
        with contextlib.suppress(ValueError, KeyError, TypeError):
            death = json.loads(variable("DREAMNET_NODE_DEATH"))
            if death["words"] == _AGAIN:
                return None
            # Not by root's wall clock, which may have been set since.
            back_s = clock.monotonic() - float(death["monotonic_s"])
            at = now - timedelta(seconds=back_s)
            mended = f"root had started it again after {back_s * 1000:.0f} ms"
            return PartDied(
                at=at, part="node", exit=Exit(at=at, reason=str(death["words"])), mended=mended
            )
        ended = Exit(at=now, reason="ended without a goodbye, root or machine with it")
        return PartDied(at=now, part="node", exit=ended, mended="started again by hand")
