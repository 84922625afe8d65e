"""Looks at the data directory and the disk it is on."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from dreamnet.app.doctor.folder import Disk, Folder
from dreamnet.kernel.clock import Clock

# What only its owner may read, wherever it lies and however open the directory is.
_PRIVATE = ("dreamnet.db*", "*token*", "backups/*.zip", "node.json")
_LOGS = ("logs/*/*", "gateway/*.log*", "up.log*")


def look_at_folder(path: Path, clock: Clock) -> Folder:
    """Return what is known of the data directory, which need not exist."""
    exists = path.is_dir()
    nearest = _nearest(path)
    found = nearest.stat()
    return Folder(
        path=str(path),
        exists=exists,
        writable=_is_writable(nearest),
        owner=found.st_uid,
        user=os.geteuid(),
        mode=found.st_mode & 0o7777,
        readable=tuple(sorted(_readable(path))),
        disk=_disk(nearest),
        logs=sum(seen.st_size for _, seen in _files(path, _LOGS)),
        now_s=clock.now().timestamp(),
        newest_s=max((seen.st_mtime for _, seen in _files(path, ("*",))), default=0.0),
    )


def _is_writable(folder: Path) -> bool:
    is_effective = os.access in os.supports_effective_ids
    rights = os.W_OK | os.X_OK
    return folder.is_dir() and os.access(folder, rights, effective_ids=is_effective)


def _nearest(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _readable(path: Path) -> Iterator[str]:
    for file, seen in _files(path, _PRIVATE):
        if seen.st_mode & 0o077:
            yield str(file)


def _files(path: Path, patterns: tuple[str, ...]) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield files that are there; the node beside us makes and removes some all the time."""
    for file in (file for pattern in patterns for file in path.glob(pattern)):
        with contextlib.suppress(OSError):
            seen = file.stat()  # once: it may be gone at a second look
            if stat.S_ISREG(seen.st_mode):
                yield file, seen


def _disk(folder: Path) -> Disk:
    system = os.statvfs(folder)
    inodes = system.f_favail if system.f_files else None
    return Disk(bytes=shutil.disk_usage(folder).free, inodes=inodes)
