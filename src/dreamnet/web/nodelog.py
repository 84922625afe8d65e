"""Reads the node's own log: the last lines, then what is written, across rotations."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 0.25
MOST_BYTES_A_LINE = 16_384
_LEAST_BYTES = 1_000_000
_CHUNK = 262_144


@dataclass
class _Place:
    """Where reading goes on: which file (a rotation makes a new one), and how far."""

    inode: int = 0
    offset: int = 0
    rest: bytes = b""


class NodeLog:
    """The log of the node in `file`; a file that is not there is empty."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def lines(self, last: int, *, follow: bool) -> AsyncIterator[str]:
        """Yield the last lines, oldest first; then new ones as long as `follow`."""
        found, place = await asyncio.to_thread(self._tail, last)
        for line in found:
            yield line
        while follow:
            found = await asyncio.to_thread(self._new, place)
            for line in found:
                yield line
            if not found:
                await asyncio.sleep(LOOK_EVERY_S)

    def _tail(self, last: int) -> tuple[list[str], _Place]:
        try:
            with self._file.open("rb") as file:
                state = os.fstat(file.fileno())
                window = max(_LEAST_BYTES, last * MOST_BYTES_A_LINE // 16)
                file.seek(max(0, state.st_size - window))
                data = file.read(state.st_size - file.tell())
        except FileNotFoundError:
            return [], _Place()
        whole, _, rest = data.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        place = _Place(state.st_ino, state.st_size, rest[:MOST_BYTES_A_LINE])
        return [_text(line) for line in lines[-last:]] if last else [], place

    def _new(self, place: _Place) -> list[str]:
        try:
            with self._file.open("rb") as file:
                state = os.fstat(file.fileno())
                if state.st_ino != place.inode or state.st_size < place.offset:
                    place.inode, place.offset, place.rest = state.st_ino, 0, b""
                file.seek(place.offset)
                data = file.read(_CHUNK)
        except FileNotFoundError:
            return []
        place.offset += len(data)
        *whole, rest = (place.rest + data).split(b"\n")
        place.rest = rest[:MOST_BYTES_A_LINE]
        return [_text(line) for line in whole]


def _text(line: bytes) -> str:
    return line[:MOST_BYTES_A_LINE].decode(errors="replace")
