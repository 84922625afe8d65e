"""Real servers to watch: HTTP and TLS on free ports of this machine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import trustme
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Authority:
    """Makes certificates, and the context that trusts them."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.trusting = ssl.create_default_context()
        self._ca.configure_trust(self.trusting)

    def server(self, *, days: int = 90, name: str = "127.0.0.1") -> ssl.SSLContext:
        """Return a server's context with a certificate that ends in so many days (or ago)."""
        ends = datetime.now(UTC) + timedelta(days=days)
        cert = self._ca.issue_cert(name, not_before=ends - timedelta(days=365), not_after=ends)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cert.configure_cert(context)
        return context

    def pem(self) -> bytes:
        return self._ca.cert_pem.bytes()


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    """Serve every path with a handler; yields the URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    [(host, port)] = runner.addresses
    try:
        yield f"{'https' if tls else 'http'}://{host}:{port}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def talking(talk: Talk) -> AsyncGenerator[int]:
    """Let a function talk to whoever connects; yields the port, and leaves no connection open."""
    talks: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        running = [task for task in talks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running)
