"""Writes a snapshot in an order that loses nothing and makes sure Envoy accepted it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from dreamnet.drivers.gateway.admin import Admin
from dreamnet.drivers.gateway.files import read_text
from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.snapshot import ResourceFile, Snapshot, statistics_prefix
from dreamnet.kernel.files import write_whole

_LIMIT_S = 2.0
_POLL_S = 0.004
_LONGEST_REASON = 400
_PATTERN = r"\.(version_text|update_rejected)$"


class Pusher:
    """Knows which files are in force; a rejected push is undone, file by file."""

    def __init__(self, layout: Layout, admin: Admin, log: Path) -> None:
        self._layout = layout
        self._admin = admin
        self._log = log
        self._undo: dict[str, str | None] = {}

    def write_all(self, new: Snapshot) -> None:
        """Write every file before Envoy starts; files of other services are removed."""
        for file in new.files.values():
            self._write(file)
        self._remove_others(new)

    async def push(self, new: Snapshot) -> tuple[str, ...]:
        """Bring Envoy to `new`; returns what it rejected, after everything old is back.

        `Unavailable` when Envoy does not answer; the files are then as before, too.
        """
        self._undo = {}
        log_size = self._log.stat().st_size if self._log.exists() else 0
        try:
            rejected = await self._steps(new)
        except BaseException:
            self._restore()
            raise
        if rejected:
            reason = self._reason(log_size)
            self._restore()
            return tuple(f"{name}: {reason}" for name in rejected)
        self._remove_others(new)
        return ()

    async def _steps(self, new: Snapshot) -> list[str]:
        """Endpoints and clusters come before the routes that use them, and go after them."""
        old_clusters = self._on_disk("cds")
        clusters = new.files["cds"]
        both = clusters.joined(old_clusters) if old_clusters is not None else clusters
        rejected = await self._force([*new.endpoint_files, both])
        if not rejected:
            rejected = await self._force([new.files["lds"], new.files["rds"]])
        if not rejected and both.version != clusters.version:
            rejected = await self._force([clusters])
        return rejected

    async def _force(self, files: Iterable[ResourceFile]) -> list[str]:
        """Write what changed; returns the names that Envoy did not accept within the limit."""
        before = await self._admin.statistics(_PATTERN)
        pending = {file.name: file for file in files}
        for file in pending.values():
            in_force = before.get(f"{statistics_prefix(file.name)}.version_text") == file.version
            if not in_force or read_text(self._path(file.name)) != file.text:
                self._remember(file.name)
                self._write(file)
        deadline = asyncio.get_running_loop().time() + _LIMIT_S
        while asyncio.get_running_loop().time() < deadline:
            now = await self._admin.statistics(_PATTERN)
            pending = {n: f for n, f in pending.items() if not _accepted(f, now)}
            rejected = [
                name for name in pending if _rejections(name, now) > _rejections(name, before)
            ]
            if rejected or not pending:
                return rejected
            await asyncio.sleep(_POLL_S)
        return sorted(pending)

    def _remember(self, name: str) -> None:
        if name not in self._undo:
            self._undo[name] = read_text(self._path(name))

    def _restore(self) -> None:
        for name, text in reversed(self._undo.items()):
            if text is None:
                self._path(name).unlink(missing_ok=True)
            else:
                write_whole(self._path(name), text)
        self._undo = {}

    def _write(self, file: ResourceFile) -> None:
        write_whole(self._path(file.name), file.text)

    def _path(self, name: str) -> Path:
        return self._layout.resource_file(name)

    def _on_disk(self, name: str) -> ResourceFile | None:
        file = ResourceFile(name, "", read_text(self._path(name)) or "")
        return file if file.is_readable else None

    def _remove_others(self, new: Snapshot) -> None:
        for path in self._layout.resource_file("any").parent.glob("*.json"):
            if path.stem not in new.files:
                path.unlink(missing_ok=True)

    def _reason(self, log_size: int) -> str:
        """Return what Envoy's log says about the rejection."""
        try:
            with self._log.open("rb") as file:
                file.seek(log_size)
                lines = file.read(1_000_000).decode("utf-8", "replace").splitlines()
        except OSError:
            lines = []
        said = [line for line in lines if "reject" in line or "error" in line.lower()]
        return said[-1].strip(": ")[:_LONGEST_REASON] if said else "Envoy did not accept it in time"


def _accepted(file: ResourceFile, statistics: dict[str, int | str]) -> bool:
    return statistics.get(f"{statistics_prefix(file.name)}.version_text") == file.version


def _rejections(name: str, statistics: dict[str, int | str]) -> int:
    value = statistics.get(f"{statistics_prefix(name)}.update_rejected", 0)
    return value if isinstance(value, int) else 0
