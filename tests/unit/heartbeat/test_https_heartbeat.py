"""The heartbeat's driver on real servers: taken, or told in words that hold no secret."""

from __future__ import annotations

import asyncio
import ssl
import traceback

import pytest
from aiohttp import web
from pydantic import SecretStr

from dreamnet.drivers.heartbeat.https import HttpsHeartbeat
from dreamnet.kernel.errors import Unavailable
from dreamnet.kernel.ports import free_port
from tests.far_servers import Authority, serving, talking

TOKEN = "t0ken-of-ours"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def lost(where: str, context: ssl.SSLContext | None = None, limit_s: float = 5.0) -> str:
    """Beat in vain; returns the words, after a look for secrets in all that is told."""
    heartbeat = HttpsHeartbeat(SecretStr(where + TOKEN), limit_s=limit_s, context=context)
    with pytest.raises(Unavailable) as raised:
        await heartbeat.beat()
    told = "".join(traceback.format_exception(raised.value)) + repr(heartbeat)
    assert TOKEN not in told
    return str(raised.value)


async def test_it_is_one_get_over_tls(authority: Authority) -> None:
    asked: list[tuple[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.method, request.path))
        return web.Response(text="OK")

    async with serving(handle, authority.server()) as where:
        await HttpsHeartbeat(SecretStr(where + TOKEN), context=authority.trusting).beat()
        assert await lost(where) == "the certificate is not trusted"
    assert asked == [("GET", f"/{TOKEN}")]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_another_status_is_not_delivered_and_no_redirect_followed(status: int) -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with serving(handle) as where:
        assert await lost(where) == f"answered with status {status}"
    assert asked == [f"/{TOKEN}"]


async def test_nobody_there() -> None:
    assert await lost(f"http://127.0.0.1:{free_port()}/") == "connection refused"
    assert await lost("https://no-such-host.invalid/") == "the name does not resolve"


async def test_no_answer_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(silent) as port:
        said = await lost(f"http://127.0.0.1:{port}/", limit_s=0.2)
    assert said == "no answer within 0.2 s"


async def test_answers_that_are_none(authority: Authority) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await reader.read(1)

    async with talking(rude) as port:
        said = await lost(f"http://127.0.0.1:{port}/")
        assert said == "closed the connection without an answer"
    async with talking(mail) as port:
        assert await lost(f"http://127.0.0.1:{port}/") == "the answer is not HTTP"
        assert await lost(f"https://127.0.0.1:{port}/", authority.trusting) == "TLS failed"


async def test_a_body_without_an_end_is_not_read() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with serving(handle) as where:
        await HttpsHeartbeat(SecretStr(where), limit_s=5.0).beat()
