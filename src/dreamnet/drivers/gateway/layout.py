"""Where the gateway's parts live: its folder, its files, its ports, its limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """A host and a port to listen on or to dial."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return what `host:port` says; ValueError with the form otherwise."""
        host, found, port = text.rpartition(":")
        if not found or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError('an address is "host:port", such as "127.0.0.1:8080"')
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


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
