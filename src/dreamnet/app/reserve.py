"""Room kept on the disk: given away when the disk is full, so that healing goes on for a while."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dreamnet.kernel.files import open_private
from dreamnet.kernel.log import logger

SIZE = 8 * 1024 * 1024  # hundreds of healings
LEAST_FREE = 4 * 1024 * 1024  # below this the reserve is given away
AMPLE = 50_000_000  # that much is free beside it when it is made: see the check of the disk

log = logger("node")


class Reserve:
    """A file of real blocks in the data directory; every method blocks for a moment.

    The disk's room is read at each look, nothing is remembered.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "reserve"

    def look(self) -> None:
        """Give the reserve away on a full disk, make it anew once there is room again.

        Where nothing may be written (read-only, a quota) there is none; the store tells of that.
        """
        with contextlib.suppress(OSError):
            self.give_if_full()
            if not self._file.exists() and self._free() > SIZE + AMPLE:
                self._make()

    def give_if_full(self) -> None:
        """Give it away when next to nothing is free."""
        if self._free() >= LEAST_FREE or not self._file.exists():
            return
        self._file.unlink(missing_ok=True)
        log.error("the disk is full: the reserve was given away", folder=str(self._folder))

    def _free(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def _make(self) -> None:
        draft = self._file.with_name(".reserve")
        try:
            _fill(open_private(draft))
            draft.replace(self._file)
        except OSError:
            draft.unlink(missing_ok=True)
            raise


def _fill(handle: int) -> None:
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, SIZE)
        else:  # macOS
            os.write(handle, bytes(SIZE))
    finally:
        os.close(handle)
