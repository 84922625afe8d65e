"""Exchanges a store's SQLite file for another so that a crash leaves the old one or the new."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from dreamnet.drivers.store.copies import fold
from dreamnet.kernel.files import sync_folder

_BESIDE = ("-wal", "-shm", "-journal")


def exchange(file: Path, new: Path, aside: Path) -> bool:
    """Put `new` in the place of `file`, which is kept as `aside`; true when there was one.

    Nobody may have `file` open, and all three must be in one file system. A log that belongs to
    the old file must never meet the new one: SQLite would write the one's pages into the other.
    """
    there_was = file.exists()
    if there_was:
        with contextlib.suppress(sqlite3.Error):  # damaged: kept as it is, with its log
            fold(file)  # from here on the old store is one file
        _link(file, aside)
    for ending in _BESIDE:
        beside = _named(file, ending)
        if beside.exists():
            beside.replace(_named(aside, ending))
    new.replace(file)
    sync_folder(file.parent)
    return there_was


def _named(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _link(file: Path, aside: Path) -> None:
    """Give the file a second name; where the file system knows none, a copy."""
    try:
        os.link(file, aside)
    except OSError:
        shutil.copy2(file, aside)
    sync_folder(aside.parent)
