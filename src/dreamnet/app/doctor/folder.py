"""Rules about the data directory: its rights, its disk, its clock, its logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dreamnet.app.doctor.finding import Finding, fail, ok, warn

LEAST_BYTES, LOW_BYTES = 50_000_000, 500_000_000
LEAST_INODES, LOW_INODES = 1_000, 10_000
LARGE_LOGS = 2_000_000_000
SKEW_S = 60.0
_FIRST_YEAR_S = 1_735_689_600.0  # 2025: no DreamNet is older, so a clock before it is wrong
_MB = 1_000_000


@dataclass(frozen=True)
class Disk:
    """What is free for us; `inodes` is None where the file system counts none."""

    bytes: int
    inodes: int | None


@dataclass(frozen=True)
class Folder:
    """The data directory as it was found; `readable` names private files others may read."""

    path: str
    exists: bool
    writable: bool
    owner: int
    user: int
    mode: int
    readable: tuple[str, ...]
    disk: Disk
    logs: int
    now_s: float
    newest_s: float


def judge_folder(folder: Folder) -> Iterator[Finding]:
    """Judge the data directory."""
    yield _rights(folder)
    yield from _private(folder)
    yield _bytes(folder)
    yield from _inodes(folder)
    yield _clock(folder)
    if folder.exists:
        yield _logs(folder)


def _rights(folder: Folder) -> Finding:
    name, path = "data-dir", folder.path
    if not folder.writable:
        what = "cannot be written" if folder.exists else "cannot be made"
        mend = f"give user {folder.user} the right to write there, or set another [node] data_dir"
        return fail(name, what, path, mend)
    if not folder.exists:
        return ok(name, "not there yet; the first dreamnet up makes it", path)
    if folder.owner != folder.user:
        mend = f"run dreamnet as user {folder.owner}, or: chown -R {folder.user} {path}"
        return fail(name, f"belongs to user {folder.owner}, not {folder.user}", path, mend)
    if folder.mode & 0o077:
        return warn(name, f"open to others: mode {folder.mode:04o}", path, f"chmod 700 {path}")
    return ok(name, f"mode {folder.mode:04o}", path)


def _private(folder: Folder) -> Iterator[Finding]:
    for file in folder.readable:
        yield fail("private-file", "others may read it", file, f"chmod 600 {file}")


def _bytes(folder: Folder) -> Finding:
    seen = f"{folder.disk.bytes // _MB} MB free"
    mend = "free space on this disk: without it nothing is healed and nothing is recorded"
    if folder.disk.bytes < LEAST_BYTES:
        return fail("disk", seen, folder.path, mend)
    if folder.disk.bytes < LOW_BYTES:
        return warn("disk", seen, folder.path, mend)
    return ok("disk", seen)


def _inodes(folder: Folder) -> Iterator[Finding]:
    free = folder.disk.inodes
    if free is None or free >= LOW_INODES:
        return
    say = fail if free < LEAST_INODES else warn
    mend = "delete files on this file system: it cannot hold many more, however small"
    yield say("inodes", f"room for {free} more files", folder.path, mend)


def _clock(folder: Folder) -> Finding:
    mend = "set the clock, and keep it right (systemd-timesyncd, chrony)"
    if folder.now_s < _FIRST_YEAR_S:
        return fail("clock", "the clock is years behind", "", mend)
    behind_s = folder.newest_s - folder.now_s
    if behind_s > SKEW_S:
        seen = f"the clock is {behind_s:.0f} s behind the newest file of the data directory"
        return warn("clock", seen, folder.path, mend)
    return ok("clock", "not behind what was written")


def _logs(folder: Folder) -> Finding:
    seen = f"{folder.logs // _MB} MB"
    if folder.logs < LARGE_LOGS:
        return ok("logs", seen)
    mend = "lower logs.max_bytes or logs.keep of the services, or give the data another disk"
    return warn("logs", seen, folder.path, mend)
