"""The command probe: a program in the service's folder; exit code 0 is good."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, cast

from dreamnet.kernel.deaths import watch_exit
from dreamnet.kernel.filelimit import give_back_file_limit
from dreamnet.kernel.processes import Identity
from dreamnet.model.services import Probe
from dreamnet.senses.asker import Answer
from dreamnet.senses.oserror import in_words
from dreamnet.senses.secrecy import Quote
from dreamnet.senses.target import Target

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_TAIL_BYTES = 4096
_PIECE_BYTES = 65_536
_LAST_WORDS_S = 0.1  # how long output may still come after the exit
_REAP_S = 1.0


class _Run:
    """One started program: the end of its output, and when it and its output ended.

    It is started by `subprocess`, whose child runs no Python before its exec. The event loop's own
    start forks (uvloop) or keeps a thread per child (asyncio), and a forked child of a process
    that has gRPC's threads now and then dies of a segmentation fault.
    """

    def __init__(self, words: list[str], folder: str, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        give_back_file_limit(self._process.pid)
        self.tail = bytearray()
        self.cut = False
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()
        self.code: int | None = None  # None after the exit: somebody else took the status
        self._loop = asyncio.get_running_loop()
        self._pipe = cast("BinaryIO", self._process.stdout)
        os.set_blocking(self._pipe.fileno(), False)
        self._loop.add_reader(self._pipe.fileno(), self._read)
        self._unwatch = self._watch()

    def _watch(self) -> Callable[[], None]:
        """What cannot be watched (no file handle left for a look at it) is ended at once."""
        with suppress(OSError):
            identity = Identity.of(self._process.pid)
            if identity is not None:
                return watch_exit(identity, self._reap)
        return self._loop.call_soon(self._reap).cancel

    def _read(self) -> None:
        piece = os.read(self._pipe.fileno(), _PIECE_BYTES)
        if not piece:
            self._loop.remove_reader(self._pipe.fileno())
            self.silent.set()
        self.tail += piece
        if len(self.tail) > _TAIL_BYTES:
            del self.tail[:-_TAIL_BYTES]
            self.cut = True

    def _reap(self) -> None:
        self.kill()  # what it left behind; until it is reaped its group's number is not used again
        with suppress(ChildProcessError):
            _, status = os.waitpid(self._process.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
        self._process.returncode = self.code if self.code is not None else 0  # it is over
        self.exited.set()

    def kill(self) -> None:
        """Kill the whole group, once it is running and as long as it is not reaped."""
        if not self.exited.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill what still runs, wait for its end and close everything."""
        self.kill()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.exited.wait(), _REAP_S)
        finally:
            self._unwatch()
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()


class CommandAsker:
    """Runs the command without a shell, in a session of its own.

    `$NAME` in the command is filled in from the instance's environment and PORT, after the
    splitting into words. Whatever is left of the session's process group is killed at the end.
    """

    async def ask(self, target: Target, probe: Probe) -> Answer:
        """Run once; a program that cannot run is a bad answer that says why."""
        environment = {**target.environment, "PORT": str(target.instance.port)}
        try:
            words = _words(probe.command, environment)
        except ValueError as error:
            return Answer(good=False, output=f"the command cannot be read: {error}")
        try:
            run = _Run(words, target.spec.folder, environment)
        except (OSError, ValueError) as error:  # ValueError: a NUL character in a word
            why = in_words(error) if isinstance(error, OSError) else str(error)
            return Answer(
                good=False, output=f"the command cannot run: {why}", quote=Quote(words[0])
            )
        try:
            await run.exited.wait()
            return await _answer(run)
        finally:
            await run.end()

    async def aclose(self) -> None:
        """Nothing is shared."""


def _words(command: str, environment: dict[str, str]) -> list[str]:
    words = shlex.split(command)
    if not words:
        raise ValueError("it is empty")
    return [_filled_in(word, environment) for word in words]


def _filled_in(word: str, environment: dict[str, str]) -> str:
    def value(name: re.Match[str]) -> str:
        return environment.get(name[1] or name[2], name[0])  # unknown names stay as written

    return _VARIABLE.sub(value, word)


async def _answer(run: _Run) -> Answer:
    with suppress(TimeoutError):
        await asyncio.wait_for(run.silent.wait(), _LAST_WORDS_S)
    if run.code == 0:
        return Answer(good=True, output="exit code 0")
    quote = Quote(run.tail.decode(errors="ignore"), keep="tail", cut=run.cut)
    return Answer(good=False, output=_ended(run.code), quote=quote)


def _ended(code: int | None) -> str:
    if code is None:
        return "ended, status unknown"
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
