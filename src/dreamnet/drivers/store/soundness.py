"""A look at a SQLite file before it is used: a damaged one is refused and stays as it is."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from pathlib import Path
from urllib.parse import quote

from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Corrupt
from dreamnet.kernel.log import logger

RESTORE = "restore a backup: dreamnet restore BACKUP (the damaged file is kept as it is)"
LOOK_LIMIT_S = 5.0  # about a gigabyte; what is not seen until then is met later, and told then

_MAGIC = b"SQLite format 3\0"
_WAL_HEADER = 32
_WAL_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}  # which way round the checksums are
_STEPS = 10_000  # of SQLite's machine between two looks at the clock

_clock = SystemClock()
log = logger("store")


def check_sound(file: Path, limit_s: float = LOOK_LIMIT_S) -> None:
    """Raise `Corrupt` when a file is no sound store; neither it nor its `-wal` is changed.

    SQLite itself would take an empty file for a new store and a log with a broken head for an
    empty log, and forget without a word what was acknowledged.
    """
    with file.open("rb") as opened:
        head = opened.read(len(_MAGIC))
    if not head:
        raise damaged(file, "it is empty")
    if head != _MAGIC:
        raise damaged(file, "file is not a database")
    _check_log(file.with_name(f"{file.name}-wal"))
    _check_pages(file, limit_s)


def damaged(file: Path, why: str) -> Corrupt:
    """Return the error that tells of a damaged file and how to go on."""
    return Corrupt(f"{file}: the store is damaged: {why}\n  mend: {RESTORE}")


def _check_log(wal: Path) -> None:
    try:
        with wal.open("rb") as opened:
            head = opened.read(_WAL_HEADER)
    except FileNotFoundError:
        return
    if len(head) == _WAL_HEADER and any(head) and not _is_log_head(head):
        raise damaged(wal, "its head is overwritten; what was stored last may be in it")


def _is_log_head(head: bytes) -> bool:
    order = _WAL_MAGIC.get(struct.unpack(">I", head[:4])[0])
    if order is None:
        return False
    words = struct.unpack(f"{order}6I", head[:24])
    first = second = 0
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return (first, second) == struct.unpack(">2I", head[24:])


def _check_pages(file: Path, limit_s: float) -> None:
    """Walk every page; a connection that may only read neither writes the log back nor ends it."""
    until = _clock.monotonic() + limit_s
    link = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=limit_s)
    with contextlib.closing(link):
        link.set_progress_handler(lambda: int(_clock.monotonic() > until), _STEPS)
        try:
            [found] = link.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            log.warning("the store was not looked through", file=str(file), error=str(error))
            return
        except sqlite3.DatabaseError as error:
            raise damaged(file, str(error)) from error
    if found != "ok":
        raise damaged(file, " ".join(str(found).split()))
