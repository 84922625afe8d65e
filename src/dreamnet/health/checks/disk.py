"""Check that a file system has room."""

from __future__ import annotations

import os
import re
import shutil

from dreamnet.health.check import Check, Finding, failed, passed, warned

Floor = int | str
_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_FLOOR = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|[kMGT]?B|[KMGT]iB)")


def disk_space(
    path: str | os.PathLike[str],
    minimum: Floor,
    *,
    warn_below: Floor | None = None,
    name: str = "disk",
) -> Check:
    """Check the free space that unprivileged processes may use on the file system of `path`.

    A floor is a number of bytes or a text such as `"500 MB"`, `"2GiB"` or `"5%"`; below
    `minimum` the check fails, below `warn_below` it warns. Raises ValueError on other texts.
    """
    fail_floor = _Floor(minimum)
    warn_floor = None if warn_below is None else _Floor(warn_below)

    def run() -> Finding:
        usage = shutil.disk_usage(path)
        if usage.free < fail_floor.in_bytes(usage.total):
            return failed(f"less than {fail_floor.text} free: free some space", usage.free, "bytes")
        if warn_floor is not None and usage.free < warn_floor.in_bytes(usage.total):
            return warned(f"less than {warn_floor.text} free", usage.free, "bytes")
        return passed(value=usage.free, unit="bytes")

    return Check(name, run, component_type="system", measurement="free")


class _Floor:
    """A least amount of free space, absolute or as a share of the whole."""

    def __init__(self, floor: Floor) -> None:
        self.text = f"{floor} B" if isinstance(floor, int) else floor.strip()
        match = _FLOOR.fullmatch(self.text)
        if match is None:
            message = f"disk_space: {floor!r} is no size; write bytes, '500 MB', '2 GiB' or '5%'"
            raise ValueError(message)
        self._number = float(match["number"])
        self._unit = match["unit"]

    def in_bytes(self, total: int) -> float:
        """Return the floor for a file system of `total` bytes."""
        if self._unit == "%":
            return total * self._number / 100
        return self._number * _UNITS[self._unit]
