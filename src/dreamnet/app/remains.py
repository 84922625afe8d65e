"""What still runs of a data directory: root, node, gateway, waiting room and instances."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dreamnet.root import is_same_process, living_node, living_process, living_root

GATEWAY, ROOM = "gateway", "waiting room"
_PARTS = {GATEWAY: "envoy.pid.json", ROOM: "room.pid.json"}


@dataclass(frozen=True)
class Remains:
    """Pids of what runs, None (or nothing) where nothing does; `served` by its name."""

    root: int | None
    node: int | None
    served: dict[str, int]

    @property
    def is_anything(self) -> bool:
        """Tell whether anything runs."""
        return bool(self.root is not None or self.node or self.served)

    @property
    def is_supervised(self) -> bool:
        """Tell whether root or node runs."""
        return self.root is not None or self.node is not None

    def __str__(self) -> str:
        own = {"root": self.root, "node": self.node, **self.served}
        return ", ".join(f"{name} (pid {pid})" for name, pid in own.items() if pid is not None)

    def to_json(self) -> dict[str, object]:
        """Return it as plain JSON values."""
        return {"root": self.root, "node": self.node, "served": self.served}


def look(data_dir: Path) -> Remains:
    """Return what runs now."""
    served = {
        name: pid
        for name, file in _PARTS.items()
        if (pid := living_process(data_dir / "gateway" / file)) is not None
    }
    served.update(_instances(data_dir / "instances"))
    return Remains(living_root(data_dir), living_node(data_dir), served)


def _instances(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield name and pid of each instance whose process runs, by the notes of its wrapper."""
    for note in sorted(folder.glob("*/run/pid")):
        try:
            first, stat = note.read_text(errors="replace").splitlines()[:2]
            record = json.loads((note.parent.parent / "instance.json").read_text())
            pid, boot_id = int(first), record["boot_id"]
            ticks = int(stat[stat.rindex(")") + 2 :].split()[19]) if ")" in stat else None
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            continue
        if is_same_process(pid, ticks, boot_id):
            yield f"{record.get('service', '?')}/{record.get('slot', '?')}", pid
