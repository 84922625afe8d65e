"""`python -m dreamnet.room --state FILE --listen HOST:PORT` runs the waiting room."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Callable
from typing import cast

from dreamnet.room.guest import Connection
from dreamnet.room.waiting import Bounds, Room


async def serve(host: str, port: int, room: Room, started: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT; `started` is told the port."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(lambda: Connection(room), host, port, backlog=4096)
    started(server.sockets[0].getsockname()[1])
    await stopped.wait()
    server.close()


def _raise_file_limit() -> None:
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 16384 if hard == resource.RLIM_INFINITY else min(hard, 16384)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(arguments: list[str] | None = None) -> int:
    """Run the room; 0 after an orderly stop, 1 when the port is taken."""
    parser = argparse.ArgumentParser(prog="dreamnet.room", description="DreamNet's waiting room")
    parser.add_argument("--state", required=True, help="the state file the gateway driver writes")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--most", type=int, default=Bounds.total, help="requests that may wait")
    parser.add_argument("--most-per-service", type=int, default=Bounds.per_service)
    options = parser.parse_args(arguments)
    host, _, port = cast("str", options.listen).rpartition(":")
    bounds = Bounds(cast("int", options.most), cast("int", options.most_per_service))
    room = Room(cast("str", options.state), bounds)
    _raise_file_limit()
    try:
        asyncio.run(serve(host, int(port), room, lambda port: print(port, flush=True)))  # noqa: T201
    except OSError as error:
        sys.stderr.write(f"waiting room: cannot listen on {options.listen}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
