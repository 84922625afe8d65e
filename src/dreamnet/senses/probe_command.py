"""The command probe: a program in the service's folder; exit code 0 is good."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
from contextlib import suppress

from dreamnet.model.services import Probe
from dreamnet.senses.asker import Answer
from dreamnet.senses.oserror import in_words
from dreamnet.senses.secrecy import Quote
from dreamnet.senses.target import Target

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_TAIL_BYTES = 4096
_LAST_WORDS_S = 0.1  # how long output may still come after the exit
_REAP_S = 1.0


class _Run(asyncio.SubprocessProtocol):
    """Keeps the end of the output and says when the process, then its pipe, ended."""

    def __init__(self) -> None:
        self.tail = bytearray()
        self.cut = False
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:  # noqa: ARG002 - asyncio's shape
        self.tail += data.encode() if isinstance(data, str) else data
        if len(self.tail) > _TAIL_BYTES:
            del self.tail[:-_TAIL_BYTES]
            self.cut = True

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        self.silent.set()

    def process_exited(self) -> None:
        self.exited.set()


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
            transport, run = await _start(words, target.spec.folder, environment)
        except (OSError, ValueError) as error:  # ValueError: a NUL character in a word
            why = in_words(error) if isinstance(error, OSError) else str(error)
            return Answer(
                good=False, output=f"the command cannot run: {why}", quote=Quote(words[0])
            )
        try:
            await run.exited.wait()
            return await _answer(transport, run)
        finally:
            await _end(transport, run)

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


async def _start(
    words: list[str], folder: str, environment: dict[str, str]
) -> tuple[asyncio.SubprocessTransport, _Run]:
    return await asyncio.get_running_loop().subprocess_exec(
        _Run,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )


async def _answer(transport: asyncio.SubprocessTransport, run: _Run) -> Answer:
    with suppress(TimeoutError):
        await asyncio.wait_for(run.silent.wait(), _LAST_WORDS_S)
    code = transport.get_returncode()
    if code == 0:
        return Answer(good=True, output="exit code 0")
    ended = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    quote = Quote(run.tail.decode(errors="ignore"), keep="tail", cut=run.cut)
    return Answer(good=False, output=ended, quote=quote)


async def _end(transport: asyncio.SubprocessTransport, run: _Run) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(transport.get_pid(), signal.SIGKILL)
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(run.exited.wait(), _REAP_S)
    finally:
        transport.close()
