"""Faults of disks and files for tests: small disks that fill, read-only ones, damaged stores."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_HOG = "hog"
_BLOCK = bytes(65536)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int, kind: str = "tmpfs") -> Iterator[Path]:
    """Mount a small file system of a kind (`tmpfs`, `ext4`) on `folder`; skips where nobody may."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.image")
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    else:
        image.touch()
        os.truncate(image, megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        command = ["mount", "-o", "loop", str(image), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"platform: no {kind} can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        _unmount(folder)
        image.unlink(missing_ok=True)


def _unmount(folder: Path) -> None:
    """Unmount once nobody uses it any more; what still ends is waited for."""
    end = time.monotonic() + 10
    while subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode:
        if time.monotonic() > end:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
            return
        time.sleep(0.1)


def remount(folder: Path, mode: str) -> None:
    """Make a small disk that nobody writes to read-only (`ro`), or writable again (`rw`)."""
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def abort(folder: Path) -> None:
    """Let an ext4 disk fail under whoever writes to it: it is read-only until it is repaired."""
    subprocess.run(["mount", "-o", "remount,abort", str(folder)], check=True)


def repair(folder: Path) -> None:
    """Check an ext4 disk that failed, as a reboot does, and mount it again."""
    image = folder.with_name(f"{folder.name}.image")
    _unmount(folder)
    done = subprocess.run(["e2fsck", "-fy", str(image)], capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stdout
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)


def free_bytes(folder: Path) -> int:
    """Return how much may still be written."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path, leave: int = 0) -> None:
    """Take all room but `leave` bytes; the file grows with each call.

    With `leave` the room is taken at one stroke, so that what somebody gives away meanwhile is
    left to them.
    """
    handle = os.open(folder / _HOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        if leave:
            os.posix_fallocate(handle, os.fstat(handle).st_size, free_bytes(folder) - leave)
            return
        for block in (_BLOCK, _BLOCK[:4096], _BLOCK[:1]):
            with contextlib.suppress(OSError):
                while os.write(handle, block):
                    pass
    finally:
        os.close(handle)


def drain(folder: Path) -> None:
    """Give back what `fill` took."""
    (folder / _HOG).unlink(missing_ok=True)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the write lock of a SQLite file."""
    link = sqlite3.connect(file, isolation_level=None, timeout=30)
    try:
        link.execute("BEGIN EXCLUSIVE")
        yield
        link.execute("ROLLBACK")
    finally:
        link.close()


Damage = Callable[[Path, random.Random], None]


def overwritten(file: Path, chance: random.Random) -> None:
    """Overwrite a random stretch behind the first page."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(chance.randrange(4096, max(4097, size - 2048)))
        opened.write(chance.randbytes(chance.randrange(512, 2048)))


def head_overwritten(file: Path, chance: random.Random) -> None:
    """Overwrite the beginning."""
    with file.open("r+b") as opened:
        opened.write(chance.randbytes(chance.randrange(16, 200)))


def truncated(file: Path, chance: random.Random) -> None:
    """Cut the file off somewhere in its pages."""
    os.truncate(file, chance.randrange(1, file.stat().st_size // 2))


def emptied(file: Path, _chance: random.Random) -> None:
    """Leave nothing but the name."""
    os.truncate(file, 0)


def replaced(file: Path, chance: random.Random) -> None:
    """Put something else in its place."""
    file.write_bytes(chance.randbytes(20_000))


def log_overwritten(file: Path, chance: random.Random) -> None:
    """Overwrite the head of the write-ahead log."""
    with file.with_name(f"{file.name}-wal").open("r+b") as opened:
        opened.write(chance.randbytes(64))


DAMAGES: tuple[Damage, ...] = (
    *(overwritten, head_overwritten, truncated, emptied, replaced, log_overwritten),
)
