"""Where the logs of all instances are: `<service>/<slot>.<instance>.log`, rotated ones `.log.1`."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from dreamnet.model.instances import InstanceId
from dreamnet.model.services import ServiceName, Slot


class LogFolder:
    """Log files outlive their instances; a slot keeps only the newest of them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def file(self, service: ServiceName, slot: Slot, instance: InstanceId) -> Path:
        """Return the log file of an instance."""
        return self._path / service / f"{slot}.{instance}.log"

    def find(self, instance: InstanceId) -> Path | None:
        """Return the log file of an instance that may be forgotten; None when there is none."""
        if not instance.replace("-", "").isalnum():
            return None  # never part of a pattern: it came from outside
        return next(self._path.glob(f"*/*.{instance}.log"), None)

    def prune(self, service: ServiceName, slot: Slot, keep: int, living: Container[str]) -> None:
        """Delete a slot's logs, but those of the `living` and of the `keep` newest others."""
        logs = [
            log
            for log in (self._path / service).glob(f"{slot}.*.log")
            if log.name.split(".")[1] not in living
        ]
        logs.sort(key=lambda log: log.stat().st_mtime, reverse=True)
        for old in logs[keep:]:
            for file in old.parent.glob(f"{old.name}*"):
                file.unlink(missing_ok=True)
