"""Files that appear whole or not at all, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """Replace `path` by rename, mode 0600; whoever watches it never sees a part.

    With `durable` it also survives a power cut once this returns, at the price of two fsyncs
    (some milliseconds); without, a power cut may leave the old text or nothing.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(open_private(draft), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)  # a draft that lay there already keeps its rights
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    if durable:
        sync_folder(path.parent)


def open_private(path: Path) -> int:
    """Return a handle to write `path` from its beginning; a new file is its owner's alone."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
