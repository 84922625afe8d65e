"""What the gateway asks of its folder: documents read with care, logs kept small, one lock."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from dreamnet.kernel.files import open_private

LARGEST_LOG_BYTES = 10_000_000
_LOCK_POLL_S = 0.02


def read_text(path: Path) -> str | None:
    """Return what `path` holds; None when it is missing or not readable."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def read_json(path: Path) -> object:
    """Return the JSON value in `path`; None when it is missing or broken."""
    try:
        return json.loads(read_text(path) or "null")
    except ValueError:
        return None


def rotate_when_large(path: Path) -> None:
    """Move a large log aside; one older log is kept."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > LARGEST_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncGenerator[None]:
    """Let one process at a time start something here; waits without a limit."""
    with os.fdopen(open_private(path), "w", encoding="utf-8") as file:
        while True:  # a blocking wait would stop the event loop
            if _take(file.fileno()):
                break
            await asyncio.sleep(_LOCK_POLL_S)
        yield


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
