"""Real backends and a small open-loop load for the gateway's contract."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp

SERVER = r"""
import asyncio, os, sys, urllib.parse
name, port = sys.argv[1], int(sys.argv[2])
failing = set(sys.argv[3:])
async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split(" ", 2)
            fields = dict(l.lower().split(": ", 1) for l in head.split("\r\n")[1:] if ": " in l)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            url = urllib.parse.urlsplit(target)
            query = urllib.parse.parse_qs(url.query)
            live = url.path == "/live"
            if "slow" in failing and not live:
                await asyncio.sleep(3)
            await asyncio.sleep(float(query.get("s", ["0"])[0]))
            code = 500 if "fail" in failing and not live else int(query.get("code", ["200"])[0])
            if fields.get("upgrade") == "websocket":
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                             b"connection: upgrade\r\n\r\n")
                writer.write(await reader.read(100))
                await writer.drain()
                return
            text = f"{name} {url.path} {len(body)} {fields.get('x-dreamnet-service')}".encode()
            writer.write(f"HTTP/1.1 {code} X\r\ncontent-length: {len(text)}\r\n\r\n".encode())
            writer.write(b"" if method == "HEAD" else text)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class Server:
    """One real HTTP server in its own process."""

    def __init__(self, name: str, *failing: str, port: int = 0) -> None:
        arguments = [sys.executable, "-S", "-c", SERVER, name, str(port), *failing]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.name = name
        self.port = int(self._process.stdout.readline())

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Servers:
    """Starts servers and ends every one of them."""

    def __init__(self) -> None:
        self._all: list[Server] = []

    async def start(self, name: str, *failing: str, port: int = 0) -> Server:
        server = await asyncio.to_thread(Server, name, *failing, port=port)
        self._all.append(server)
        return server

    def close(self) -> None:
        for server in self._all:
            server.kill()


@dataclass
class Load:
    """What a load met: answers by method and status, -1 for a broken connection."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest_s: float = 0.0
    bodies: Counter[str] = field(default_factory=Counter)

    def failed(self, method: str) -> int:
        return sum(n for (m, status), n in self.answers.items() if m == method and status != 200)

    def total(self, method: str) -> int:
        return sum(n for (m, _), n in self.answers.items() if m == method)


class Client:
    """A user of the gateway, with keep-alive connections."""

    def __init__(self, listen: str, host: str = "shop.localhost") -> None:
        self.base = f"http://{listen}"
        self._headers = {"Host": host}
        connector = aiohttp.TCPConnector(limit=0)
        self.session = aiohttp.ClientSession(connector=connector, headers=self._headers)

    async def ask(self, path: str = "/", method: str = "GET", **options) -> tuple[int, str]:
        async with self.session.request(method, self.base + path, **options) as answer:
            return answer.status, await answer.text()

    async def one(self, load: Load, method: str, path: str) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        data = b"x" * 200 if method == "POST" else None
        try:
            status, text = await self.ask(path, method, data=data)
        except aiohttp.ClientError:
            status, text = -1, ""
        load.answers[method, status] += 1
        load.bodies[text.split(" ")[0]] += 1
        load.slowest_s = max(load.slowest_s, loop.time() - start)

    @contextlib.asynccontextmanager
    async def load(self, rate: float, *methods: str, path: str = "/") -> AsyncIterator[Load]:
        """Send `rate` requests a second of each method until the block ends; wait for all."""
        result, running, stop = Load(), set[asyncio.Task[None]](), asyncio.Event()

        async def send() -> None:
            loop = asyncio.get_running_loop()
            begin, sent = loop.time(), 0
            while not stop.is_set():
                for method in methods:
                    task = loop.create_task(self.one(result, method, path))
                    running.add(task)
                    task.add_done_callback(running.discard)
                sent += 1
                await asyncio.sleep(max(0.0, begin + sent / rate - loop.time()))

        sender = asyncio.get_running_loop().create_task(send())
        try:
            yield result
        finally:
            stop.set()
            await sender
            while running:
                await asyncio.wait(set(running))

    async def close(self) -> None:
        await self.session.close()


async def until(claim: Callable[[], object], limit_s: float = 10.0) -> None:
    """Wait until `claim` holds (it may be asynchronous); fail after `limit_s`."""
    async with asyncio.timeout(limit_s):
        while True:
            found = claim()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)
