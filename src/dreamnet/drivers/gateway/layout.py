"""Where the gateway's parts live: its folder, its files, its ports, its limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from dreamnet.model.address import Address

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Layout:
    """Everything a snapshot needs besides the route table."""

    folder: Path
    listen: Address
    admin: Address
    room: Address
    hold: timedelta

    def resource_file(self, name: str) -> Path:
        """Return the path of one xDS file, such as `lds` or `eds_shop`."""
        return self.folder / "xds" / f"{name}.json"

    @property
    def room_state(self) -> Path:
        """Return the path of the file that tells the room what to do."""
        return self.folder / "room-state.json"
