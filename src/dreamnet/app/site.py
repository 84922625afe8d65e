"""Where a node's settings, data and store are, however wrong the services in the file may be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dreamnet.app.datadir import DataDir
from dreamnet.drivers.store.place import Place, place_of
from dreamnet.kernel.errors import Conflict
from dreamnet.model.settings import load_node_settings
from dreamnet.root import living_node, living_root


@dataclass(frozen=True)
class Site:
    """One node's `dreamnet.toml`, data directory and store."""

    file: Path
    data: DataDir
    place: Place

    def refuse_running(self) -> None:
        """`Conflict` while a node, or a root that would start one, runs here."""
        pid = living_root(self.data.path)  # 0: one that has not said who it is
        if pid is None:
            pid = living_node(self.data.path)
        if pid is not None:
            raise Conflict.of(
                f"DreamNet runs here (pid {pid or 'unknown'})",
                where=str(self.data.path),
                mend="stop it first: dreamnet down, or dreamnet down --node-only",
            )


def site_of(file: Path) -> Site:
    """Return the site of a settings file; `ConfigError` when its `[node]` is wrong."""
    node = load_node_settings(file)
    data = DataDir((file.parent / node.data_dir).resolve())
    return Site(file, data, place_of(node.store.get_secret_value() or data.database))
