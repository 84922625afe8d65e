"""Real servers to probe, and a prober that remembers what it published."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta

import uvloop

from dreamnet.kernel.clock import SystemClock
from dreamnet.model.facts import Probed
from dreamnet.model.instances import Instance, InstanceId, InstanceState
from dreamnet.model.services import Env, Health, Probe, ServiceName, ServiceSpec, Slot
from dreamnet.senses.probes import Prober
from dreamnet.senses.target import Target

LIMIT_S = 10.0
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


Story = Callable[..., Coroutine[object, object, None]]


def on_uvloop(told: Coroutine[object, object, None]) -> None:
    """Run a story on the node's own event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(told)


class Heard:
    """A prober and its facts."""

    def __init__(self) -> None:
        self.facts: list[Probed] = []
        self._news = asyncio.Event()
        self.prober = Prober(self._publish, SystemClock(), random.Random(7))

    def _publish(self, fact: Probed) -> None:
        self.facts.append(fact)
        self._news.set()

    async def until(self, wanted: Callable[[Probed], bool]) -> Probed:
        """Wait for the first fact that is as wanted."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                self._news.clear()
                for fact in self.facts:
                    if wanted(fact):
                        return fact
                await self._news.wait()

    async def count(self, number: int) -> None:
        """Wait until there are so many facts."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.facts) < number:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def probing(*targets: Target) -> AsyncIterator[Heard]:
    heard = Heard()
    try:
        heard.prober.follow({target.instance.id: target for target in targets})
        yield heard
    finally:
        await heard.prober.aclose()


async def first_answer(target: Target) -> Probed:
    """Probe until the first answer."""
    async with probing(target) as heard:
        return await heard.until(lambda _: True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition of the world holds."""
    ends = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < ends, "the condition never held"
        await asyncio.sleep(0.01)


def probe(kind: str = "tcp", **more: object) -> Probe:
    return Probe.model_validate({"kind": kind, "interval": "200ms", "timeout": "2s", **more})


def target(
    port: int,
    asked: Probe,
    *,
    name: str = "i-1",
    folder: str = "/",
    ready: Probe | None = None,
    environment: dict[str, str] | None = None,
    plain: dict[str, str] | None = None,
    start_period: timedelta = timedelta(0),
) -> Target:
    clock = SystemClock()
    instance = Instance(
        id=InstanceId(name),
        service=ServiceName("shop"),
        slot=Slot(1),
        key=name,
        state=InstanceState.RUNNING,
        created=clock.now(),
        port=port,
    )
    spec = ServiceSpec(
        name=ServiceName("shop"),
        folder=folder,
        run="true",
        health=Health(live=asked, ready=ready or asked, start_period=start_period),
        env=Env(set=plain or {}),
    )
    return Target(instance, spec, environment or {})


@asynccontextmanager
async def tcp_server(talk: Talk) -> AsyncIterator[int]:
    """Serve `talk` on a free port of 127.0.0.1."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def says(raw: bytes, *, stay: bool = False) -> Talk:
    """Answer every connection with `raw` after its request; with `stay`, never hang up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        if stay:
            await reader.read()

    return talk


def http(status: int, body: bytes = b"", head: str = "") -> bytes:
    """Return a whole HTTP answer."""
    lines = f"HTTP/1.1 {status} Word\r\nContent-Length: {len(body)}\r\n{head}\r\n"
    return lines.encode() + body
