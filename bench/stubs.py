"""A tiny HTTP server to measure against, which can freeze on schedule: `python -m bench.stubs`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Stall:
    """The whole process freezes for `length_s` every `every_s`; never if `every_s` is 0."""

    every_s: float = 0.0
    length_s: float = 0.0


class _Answering(asyncio.Protocol):
    """Answers 200 to each request without a body."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection to write to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is now complete."""
        *complete, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        self._transport.write(ANSWER * len(complete))


def _stall_forever(loop: asyncio.AbstractEventLoop, stall: Stall) -> None:
    time.sleep(stall.length_s)  # on purpose: everybody waits, as in a garbage collection pause
    loop.call_later(stall.every_s - stall.length_s, _stall_forever, loop, stall)


async def serve(stall: Stall) -> None:
    """Serve on a free port, which is printed, until killed."""
    loop = asyncio.get_running_loop()
    # A short queue would drop connection attempts in a freeze, to be repeated a second later.
    server = await loop.create_server(_Answering, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    if stall.every_s:
        loop.call_later(stall.every_s - stall.length_s, _stall_forever, loop, stall)
    await server.serve_forever()


@asynccontextmanager
async def stub_server(stall: Stall | None = None) -> AsyncGenerator[int]:
    """A stub in a process of its own for as long as the block lasts; gives its port."""
    chosen = stall or Stall()
    times = ["--every", str(chosen.every_s), "--length", str(chosen.length_s)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.stubs", *times, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            port = int(await process.stdout.readline())
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def main() -> None:
    """Run the stub."""
    parser = argparse.ArgumentParser("bench.stubs", description=__doc__)
    parser.add_argument("--every", type=float, default=0.0, help="seconds between freezes")
    parser.add_argument("--length", type=float, default=0.0, help="seconds of one freeze")
    options = parser.parse_args()
    asyncio.run(serve(Stall(options.every, options.length)))


if __name__ == "__main__":
    main()
