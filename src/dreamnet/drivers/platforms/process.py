"""Runs instances as plain processes of this machine that outlive the node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

from dreamnet.drivers.platforms.base import Start
from dreamnet.drivers.platforms.census import MARK, Census
from dreamnet.drivers.platforms.changes import Changes, Subscription
from dreamnet.drivers.platforms.command import CannotRun, resolve_command
from dreamnet.drivers.platforms.flights import Flights
from dreamnet.drivers.platforms.folders import InstanceFolder, Intent
from dreamnet.drivers.platforms.life import Around, Life
from dreamnet.drivers.platforms.logfile import LineCutter, LogFile
from dreamnet.drivers.platforms.logfolder import LogFolder
from dreamnet.drivers.platforms.ports import LOOPBACK, Ports
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.deaths import Deaths, best_deaths
from dreamnet.kernel.errors import Complaint, Corrupt, NotFound, Unavailable
from dreamnet.kernel.files import write_whole
from dreamnet.kernel.ids import fresh_id
from dreamnet.kernel.log import logger
from dreamnet.kernel.processes import current_boot_id, has_ended_child
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.instances import Instance, InstanceId, InstanceState, Usage
from dreamnet.model.services import LogLimits

_ROUND_S = 1.0
_FOLLOW_S = 0.1

log = logger("platform")


class ProcessPlatform:
    """A Platform of plain processes.

    `folder` (made with mode 0700) holds one folder for each instance; the logs are in `logs`
    beside it. Only one node may use a folder at a time. Waiting is real time; `clock` dates
    starts and ends.
    """

    def __init__(self, folder: Path, clock: Clock, deaths: Deaths | None = None) -> None:
        self._folder = folder
        self._logs = LogFolder(folder.parent / "logs")
        self._clock = clock
        self._changes = Changes()
        self._around = Around(clock, deaths or best_deaths(), self._changes.publish, Census())
        self._tasks = Tasks("platform")
        self._flights = Flights(self._tasks)
        self._ports = Ports()
        self._lives: dict[InstanceId, Life] = {}
        self._salt = ""

    async def open(self) -> None:
        """Find what an earlier node left: the living are watched again, the dead are told."""
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        self._salt = await asyncio.to_thread(_salt, self._folder / "salt")
        folders = await asyncio.to_thread(_folders, self._folder)
        await asyncio.gather(*(self._adopt(InstanceFolder(path)) for path in folders))
        self._tasks.loop("rounds", self._rounds)

    async def _adopt(self, folder: InstanceFolder) -> None:
        try:
            intent = await asyncio.to_thread(folder.intent)
            if intent is None:
                await asyncio.to_thread(folder.remove)
                return
            life = self._life(intent, folder)
            if await life.adopt():
                self._keep(life)
        except Corrupt:
            log.exception("instance not adopted; its folder is kept")

    def _life(self, intent: Intent, folder: InstanceFolder) -> Life:
        file = self._logs.file(intent.service, intent.slot, intent.id)
        return Life(intent.instance(), folder, LogFile(file, intent.logs), self._around)

    def _keep(self, life: Life) -> None:
        self._lives[life.instance.id] = life
        self._tasks.once(f"watch {life.instance.id}", partial(_attend, life))

    async def observe(self) -> tuple[Instance, ...]:
        """Return every instance, ended ones too until they are forgotten."""
        return tuple(life.instance for life in self._lives.values())

    def watch(self) -> Subscription:
        """Return the changes from this call on; a slow reader gets the latest of each instance."""
        return self._changes.subscribe()

    async def start(self, start: Start, key: str) -> Instance:
        """Start an instance once per `key`, however often and at once it is asked for.

        The environment is `start.variables`, PORT, DREAMNET_SERVICE, DREAMNET_SLOT and
        DREAMNET_INSTANCE, nothing else. PWD, OLDPWD and SHLVL are never passed on.
        """
        instance = _instance_id(start, key, self._salt)
        return await self._flights.join(
            f"start {instance}", partial(self._start, start, key, instance)
        )

    async def _start(self, start: Start, key: str, instance: InstanceId) -> Instance:
        if (known := self._lives.get(instance)) is not None:
            return known.instance
        intent = self._intend(start, key, instance)
        life = self._life(intent, InstanceFolder(self._folder / instance))
        try:
            await asyncio.to_thread(life.folder.create, intent)
            await self._launch(life, start)
        except FileExistsError as error:
            raise Corrupt(f"{life.folder.path} is in the way of a start; move it away") from error
        except (OSError, Unavailable) as error:
            await asyncio.to_thread(life.folder.void)
            raise Unavailable(f"{start.spec.name} could not be started: {error}") from error
        self._keep(life)
        return life.instance

    async def _launch(self, life: Life, start: Start) -> None:
        environment = {
            **start.variables,
            "PORT": str(life.instance.port),
            "DREAMNET_SERVICE": start.spec.name,
            "DREAMNET_SLOT": str(start.slot),
            MARK: life.instance.id,
        }
        try:
            command = await asyncio.to_thread(resolve_command, start.spec, environment)
            await life.launch(start.spec.folder, command, environment)
        except CannotRun as error:
            await life.refuse(str(error))

    def _intend(self, start: Start, key: str, instance: InstanceId) -> Intent:
        taken = {
            life.instance.port
            for life in self._lives.values()
            if life.instance.state is not InstanceState.EXITED
        }
        return Intent(
            id=instance,
            service=start.spec.name,
            slot=start.slot,
            key=key,
            created=self._clock.now(),
            host=LOOPBACK,
            port=self._ports.choose(instance, taken),
            boot_id=current_boot_id(),
            logs=start.spec.logs,
        )

    async def stop(self, instance: InstanceId, grace: timedelta) -> Instance:
        """SIGTERM to the group, after `grace` SIGKILL to all of it; stops of one instance join."""
        life = self._known(instance)
        return await self._flights.join(f"stop {instance}", partial(life.stop, grace))

    async def forget(self, instance: InstanceId) -> None:
        """Drop an ended instance; of its slot's logs only the newest `logs.keep` stay.

        A running instance is no ended one: nothing happens.
        """
        life = self._lives.get(instance)
        if life is None or life.instance.state is not InstanceState.EXITED:
            return
        await life.cleaned.wait()
        await asyncio.to_thread(life.folder.remove)
        self._lives.pop(instance, None)
        kept = life.logs.limits.keep
        was = life.instance
        await asyncio.to_thread(
            self._logs.prune, was.service, was.slot, kept, frozenset(self._lives)
        )

    def logs(self, instance: InstanceId, *, lines: int, follow: bool) -> AsyncIterator[str]:
        """Yield the last `lines` lines, then new ones until the instance has ended.

        Works for forgotten instances as long as their log is kept; NotFound otherwise.
        """
        life = self._lives.get(instance)
        if life is not None:
            return _lines(life.logs, lines, life.cleaned if follow else None)
        file = self._logs.find(instance)
        if file is None:
            raise self._not_found(instance)
        return _lines(LogFile(file, LogLimits(keep=100)), lines, None)

    async def usage(self, instance: InstanceId) -> Usage | None:
        """Return what the processes of an instance use together, the wrapper apart."""
        life = self._lives.get(instance)
        return await life.usage() if life is not None else None

    async def close(self) -> None:
        """Stop watching; instances go on."""
        await self._tasks.drain()
        self._flights.abandon()
        self._changes.end()

    def _known(self, instance: InstanceId) -> Life:
        life = self._lives.get(instance)
        if life is None:
            raise self._not_found(instance)
        return life

    def _not_found(self, instance: InstanceId) -> NotFound:
        known = ", ".join(sorted(self._lives)) or "there are none"
        return NotFound(Complaint(f'no instance "{instance}"', mend=f"known instances: {known}"))

    async def _rounds(self) -> None:
        """Rotate logs that have grown, and reap wrappers that were killed."""
        while True:
            under_way = [life for life in self._lives.values() if not life.cleaned.is_set()]
            if has_ended_child():
                for life in under_way:
                    life.reap_wrapper()
            await asyncio.to_thread(_rotate, [life.logs for life in under_way])
            await asyncio.sleep(_ROUND_S)


def _rotate(logs: list[LogFile]) -> None:
    for each in logs:
        each.rotate()


async def _attend(life: Life) -> None:
    """Stay with an instance to its end, whatever the system refuses meanwhile."""
    while not life.cleaned.is_set():
        try:
            await life.watch()
        except OSError:
            log.exception("instance not watched; trying again", instance=life.instance.id)
            await asyncio.sleep(_ROUND_S)


def _instance_id(start: Start, key: str, salt: str) -> InstanceId:
    """Return the id that `key` always leads to, such as `shop-1-0a1b2c3d4e5f`."""
    text = f"{salt}/{start.spec.name}/{start.slot}/{key}"
    return InstanceId(f"{start.spec.name}-{start.slot}-{sha256(text.encode()).hexdigest()[:12]}")


def _salt(file: Path) -> str:
    """Return what makes the ids of this folder differ from those of any other on this machine."""
    if not file.exists():
        write_whole(file, fresh_id("salt"), durable=True)
    return file.read_text()


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


async def _lines(logs: LogFile, lines: int, ended: asyncio.Event | None) -> AsyncIterator[str]:
    """Yield lines; without `ended` only those that are there."""
    cutter = LineCutter()
    data, position = await asyncio.to_thread(logs.tail, lines)
    for line in cutter.feed(data):
        yield line
    while ended is not None:
        is_over = ended.is_set()  # looked at before reading: what came before the end is read
        data, position = await asyncio.to_thread(logs.read, position)
        for line in cutter.feed(data):
            yield line
        if is_over and not data:
            break
        if not data:
            await asyncio.sleep(_FOLLOW_S)
    for line in cutter.flush():
        yield line
