"""The log file of one instance: appended to by its processes, rotated and read by the node."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dreamnet.kernel.log import logger
from dreamnet.model.services import LogLimits

LONGEST_LINE = 16_384
_CHUNK = 65_536
_LEAST_WINDOW = 1_048_576

log = logger("logfile")


@dataclass(frozen=True)
class _Part:
    path: Path
    start: int
    end: int


class LogFile:
    """Positions count bytes over all rotations: a reader that remembers one misses nothing.

    Rotation copies and then truncates, because the application holds the file open. What it
    writes between the last byte copied and the truncation (microseconds) is lost.
    """

    def __init__(self, path: Path, limits: LogLimits) -> None:
        self.path = path
        self.limits = limits
        self._moved = 0  # bytes this object has moved to rotated files
        self._lock = threading.Lock()

    def open_for_append(self) -> int:
        """Create the file if need be and return a handle that always appends; OSError if not."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self.path, flags, 0o600)

    def rotate(self) -> bool:
        """Rotate when the file is over its limit; returns whether it was. Blocks for the copy."""
        if _size(self.path) <= self.limits.max_bytes:
            return False
        with self._lock:
            try:
                self._copy_and_truncate()
            except OSError as error:
                self._rotation_failed(error)
        return True

    def _copy_and_truncate(self) -> None:
        draft = self.path.with_name(f"{self.path.name}.draft")
        with self.path.open("r+b") as live, draft.open("wb") as copy:
            draft.chmod(0o600)
            shutil.copyfileobj(live, copy, _CHUNK)
            self._shift()
            draft.replace(self._rotated(1))
            shutil.copyfileobj(live, copy, _CHUNK)  # what was written during the copy
            self._moved += live.tell()
            live.truncate(0)

    def _shift(self) -> None:
        for number in range(self.limits.keep, 1, -1):
            if self._rotated(number - 1).exists():
                self._rotated(number - 1).replace(self._rotated(number))

    def _rotation_failed(self, error: OSError) -> None:
        """A full disk must not stop the service: lines are given up, the oldest first."""
        log.error("log not rotated", file=str(self.path), error=str(error))
        with suppress(OSError):
            self.path.with_name(f"{self.path.name}.draft").unlink(missing_ok=True)
        is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        if is_full and self._give_up_oldest():
            return
        size = _size(self.path)
        if is_full or size > 2 * self.limits.max_bytes:
            with suppress(OSError):
                os.truncate(self.path, 0)
                self._moved += size

    def _give_up_oldest(self) -> bool:
        """Delete the oldest rotated file; false when there is none."""
        for number in range(self.limits.keep, 0, -1):
            if self._rotated(number).exists():
                with suppress(OSError):
                    self._rotated(number).unlink()
                    return True
        return False

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _parts(self) -> list[_Part]:
        """Return the files, oldest first, with the positions they hold."""
        parts = [_Part(self.path, self._moved, self._moved + _size(self.path))]
        for number in range(1, self.limits.keep + 1):
            start = parts[0].start
            parts.insert(
                0, _Part(self._rotated(number), start - _size(self._rotated(number)), start)
            )
        return parts

    def tail(self, lines: int) -> tuple[bytes, int]:
        """Return the bytes of the last `lines` lines and the position behind them.

        Reads from the end, and no further back than 16 KiB for each line asked for (at least
        1 MiB).
        """
        with self._lock:
            parts = self._parts()
            end, oldest = parts[-1].end, parts[0].start
            limit = max(_LEAST_WINDOW, lines * LONGEST_LINE)
            window = _CHUNK
            while True:
                start = max(oldest, end - window)
                data = _read(parts, start, end)
                if data.count(b"\n") > lines or start == oldest or window >= limit:
                    return _last(data, lines), end
                window *= 4

    def read(self, position: int) -> tuple[bytes, int]:
        """Return what follows `position` (at most 64 KiB) and the position behind it."""
        with self._lock:
            parts = self._parts()
            start = min(max(position, parts[0].start), parts[-1].end)
            data = _read(parts, start, min(start + _CHUNK, parts[-1].end))
            return data, start + len(data)


def _last(data: bytes, lines: int) -> bytes:
    if lines <= 0:
        return b""
    pieces = data.split(b"\n")
    wanted = lines if pieces[-1] else lines + 1
    return b"\n".join(pieces[-wanted:])


def _read(parts: list[_Part], start: int, end: int) -> bytes:
    pieces = [
        _slice(part.path, max(start, part.start) - part.start, min(end, part.end) - part.start)
        for part in parts
        if part.start < end and part.end > start
    ]
    return b"".join(pieces)


def _slice(path: Path, start: int, end: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)
    except FileNotFoundError:
        return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class LineCutter:
    """Makes lines of bytes as they come; a line over 16 KiB is cut, invalid UTF-8 is replaced."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_cut = False

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = [line for each in whole if (line := self._finish(each)) is not None]
        if len(self._rest) > LONGEST_LINE:
            if not self._is_cut:
                lines.append(_text(self._rest))
            self._rest, self._is_cut = b"", True
        return lines

    def flush(self) -> list[str]:
        """Return the last line although its end is missing."""
        line = self._finish(self._rest) if self._rest else None
        self._rest = b""
        return [] if line is None else [line]

    def _finish(self, line: bytes) -> str | None:
        if self._is_cut:
            self._is_cut = False
            return None
        return _text(line)


def _text(line: bytes) -> str:
    shown = line[:LONGEST_LINE].removesuffix(b"\r").decode(errors="replace")
    return shown + " …" if len(line) > LONGEST_LINE else shown
