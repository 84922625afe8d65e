"""What is on disk about one instance, so that it outlives the node at any moment.

<instance>/instance.json   the intent, durable before a process exists
<instance>/run/            made just before the process; holds what the wrapper writes
<instance>/run/pid         the application's pid and start time
<instance>/run/exit        its exit status
<instance>/stopping        DreamNet meant it to end
<instance>/ended.json      how it ended, and that nothing of it is left
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from dreamnet.kernel.errors import Corrupt
from dreamnet.kernel.files import sync_folder, write_whole
from dreamnet.model.instances import Exit, Instance, InstanceId, InstanceState
from dreamnet.model.record import Record
from dreamnet.model.services import LogLimits, ServiceName, Slot


class Intent(Record):
    """That an instance shall run; holds no value of its environment."""

    id: InstanceId
    service: ServiceName
    slot: Slot
    key: str
    created: datetime
    host: str
    port: int
    boot_id: str
    logs: LogLimits

    def instance(self) -> Instance:
        """Return the instance without what only its process can tell."""
        return Instance(
            id=self.id,
            service=self.service,
            slot=self.slot,
            key=self.key,
            state=InstanceState.RUNNING,
            created=self.created,
            host=self.host,
            port=self.port,
            boot_id=self.boot_id,
        )


class InstanceFolder:
    """The folder of one instance; every method blocks for at most a few fsyncs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run"
        self._intent = path / "instance.json"
        self._stopping = path / "stopping"
        self._ended = path / "ended.json"

    def create(self, intent: Intent) -> None:
        """Record the intent; FileExistsError when the instance already has a folder."""
        self.path.mkdir(mode=0o700)
        write_whole(self._intent, intent.model_dump_json(), durable=True)
        sync_folder(self.path.parent)

    def open_run(self) -> None:
        """Make room for the wrapper's notes: from here on a process may exist."""
        self.run.mkdir(mode=0o700)
        sync_folder(self.path)

    def void(self) -> bool:
        """Take a start back for good; false when its application is, or was, under way.

        Once `run` is gone a wrapper that is still on its way cannot record the pid and ends
        itself, so nothing can appear later.
        """
        try:
            self.run.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False
        self.remove()
        return True

    def remove(self) -> None:
        """Forget the instance; an absent folder is fine."""
        shutil.rmtree(self.path, ignore_errors=True)

    def intent(self) -> Intent | None:
        """Return the intent; None when a crash came before it. Corrupt when it cannot be read."""
        try:
            return Intent.model_validate_json(self._intent.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise Corrupt(f"{self._intent}: not a record of an instance: {error}") from error

    def mark_stopping(self) -> None:
        """Record that its end is expected."""
        if not self._stopping.exists():
            write_whole(self._stopping, "", durable=True)

    def is_stopping(self) -> bool:
        """Return whether its end is expected."""
        return self._stopping.exists()

    def write_end(self, end: Exit) -> None:
        """Record how it ended and that nothing of it is left."""
        write_whole(self._ended, end.model_dump_json(), durable=True)

    def end(self) -> Exit | None:
        """Return how it ended; None while it may still run. Corrupt when it cannot be read."""
        try:
            return Exit.model_validate_json(self._ended.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise Corrupt(f"{self._ended}: not a record of an end: {error}") from error
