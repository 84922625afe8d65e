"""A load in a process of its own, so that whoever measures does not disturb what is measured."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from dreamnet.kernel.environ import own_environment
from dreamnet.testing.loadresult import LoadResult
from dreamnet.testing.losses import Losses
from dreamnet.testing.plan import Plan
from dreamnet.testing.record import Counts, Record

_LONGEST_LINE = 4 * 1024 * 1024
_START_LIMIT_S = 30.0
_EXIT_LIMIT_S = 5.0


class LoadFailed(RuntimeError):
    """The load process ended without a result; the message holds its last lines of stderr."""


class LoadProcess:
    """`Load` with the same reading face, running as a subprocess for as long as the block lasts.

    `counts` is at most about 100 ms old, failed requests arrive at once (and reach `on_failed`).
    Leaving the block ends the process; `stop` ends it and gives the figures.
    """

    def __init__(self, plan: Plan, on_failed: Callable[[Record], None] | None = None) -> None:
        """Prepare; nothing runs before the block is entered."""
        self.plan = plan
        self.counts = Counts()
        self.losses = Losses()
        self.began = 0.0
        self.pid = 0
        self._on_failed = on_failed
        self._slowest: list[tuple[float, float]] = []
        self._result: LoadResult | None = None
        self._stderr: deque[str] = deque(maxlen=20)
        self._ready = asyncio.Event()
        self._all_read = asyncio.Event()
        self._readers = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        """Start the process and wait until it sends; LoadFailed if it does not come up."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dreamnet.testing.loadworker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=own_environment(),
            limit=_LONGEST_LINE,
            start_new_session=True,  # Ctrl-C stops the load through us, not behind our back
        )
        self.pid = self._process.pid
        await self._readers.__aenter__()
        self._readers.create_task(self._read_events(), name="load-events")
        self._readers.create_task(self._read_stderr(), name="load-stderr")
        try:
            await self._tell(json.dumps(self.plan.to_json()))
            async with asyncio.timeout(_START_LIMIT_S):
                await self._ready.wait()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        if not self.began:
            await self.__aexit__(None, None, None)
            raise self._failure("did not start")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process; at once (SIGKILL) if it does not end by itself."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):  # it may end just now
                self._process.send_signal(signal.SIGKILL)
        await self._readers.__aexit__(kind, error, trace)
        await self._process.wait()

    async def wait(self) -> LoadResult:
        """Wait for the end of the plan; LoadFailed if the process ends without a result."""
        await self._all_read.wait()
        await self._process.wait()
        if self._result is None:
            raise self._failure("ended without a result")
        return self._result

    async def stop(self) -> LoadResult:
        """Send nothing more, wait for requests under way, return the figures.

        Raises LoadFailed if there is no result within the plan's timeout and a few seconds.
        """
        await self._tell("stop")
        try:
            async with asyncio.timeout(self.plan.timeout_s + _EXIT_LIMIT_S):
                return await self.wait()
        except TimeoutError:
            raise self._failure("did not stop") from None

    def mark(self, name: str) -> float:
        """Begin a named window of losses (see `Losses.by_mark`); returns its instant."""
        return self.losses.mark(name)

    def lost(self, since: float, until: float = math.inf) -> list[Record]:
        """Failed requests under way between two instants (see `Losses.between`)."""
        return self.losses.between(since, until)

    def slowest_s(self, since: float, until: float = math.inf) -> float:
        """Slowest good answer between two instants, in seconds; exact to about 100 ms of time."""
        return max((slow for at, slow in self._slowest if since <= at <= until), default=0.0)

    async def _tell(self, line: str) -> None:
        stdin = self._process.stdin
        if stdin is None or self._process.returncode is not None:
            return
        try:
            stdin.write(line.encode() + b"\n")
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # it ended by itself: `wait` says how

    async def _read_events(self) -> None:
        stdout = self._process.stdout
        try:
            while stdout is not None and (line := await stdout.readline()):
                self._take(json.loads(line))
        finally:
            self._ready.set()
            self._all_read.set()

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        while stderr is not None and (line := await stderr.readline()):
            self._stderr.append(line.decode(errors="replace").rstrip())

    def _take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "ready":
                self.began = event["began"]
                self._ready.set()
            case "progress":
                self.counts = Counts.from_json(event["counts"])
                self._slowest.append((event["at"], event["slowest_s"]))
            case "failed":
                self._lose(Record.from_json(event["record"]))
            case "result":
                self._result = LoadResult.from_json(event["result"])
            case unknown:
                raise ValueError(f"load process sent an unknown event {unknown!r}")

    def _lose(self, record: Record) -> None:
        self.losses.add(record)
        if self._on_failed is not None:
            self._on_failed(record)

    def _failure(self, what: str) -> LoadFailed:
        said = "\n".join(self._stderr) or "it said nothing"
        return LoadFailed(f"load process {self.pid} {what}; {said}")
