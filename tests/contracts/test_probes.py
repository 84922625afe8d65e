"""Every kind of probe against real servers and commands."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

import grpc.aio
import psutil
import pytest
from aiohttp import web
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from probing import (
    Story,
    first_answer,
    http,
    on_uvloop,
    probe,
    probing,
    says,
    target,
    tcp_server,
    until,
)

from dreamnet.model.facts import Probed
from dreamnet.model.services import Aspect


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


async def asked_of(raw: bytes, *, stay: bool = False, **more: object) -> Probed:
    async with tcp_server(says(raw, stay=stay)) as port:
        return await first_answer(target(port, probe("http", **more)))


# HTTP


async def test_http_asks_a_real_server_over_a_new_connection_each_time() -> None:
    seen: list[tuple[str, object, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        seen.append((request.path_qs, peer, dict(request.headers)))
        response = web.Response(text="fine")
        response.set_cookie("session", "1")
        return response

    app = web.Application()
    app.router.add_get("/health/live", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with probing(target(port, probe("http", path="/health/live?deep=1"))) as heard:
            await heard.count(6)
    finally:
        await runner.cleanup()
    assert all(fact.good and fact.output == "200" and fact.took_ms > 0 for fact in heard.facts)
    assert len({peer for _, peer, _ in seen}) == len(seen) >= 3
    path, _, headers = seen[-1]
    assert path == "/health/live?deep=1"
    assert headers["Host"] == "127.0.0.1"
    assert headers["User-Agent"] == "dreamnet-probe"
    assert headers["Connection"].lower() == "close"
    assert "Cookie" not in headers


@pytest.mark.parametrize("status", [200, 204, 299, 302, 304, 399])
async def test_http_200_to_399_is_good_and_says_only_the_status(status: int) -> None:
    fact = await asked_of(http(status, head="Location: http://127.0.0.1:1/\r\n"))
    assert (fact.good, fact.output) == (True, str(status))


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_http_other_answers_are_bad_and_quote_their_body(status: int) -> None:
    fact = await asked_of(http(status, b"database \x1b[31mis\x00\r\n locked  now"))
    assert (fact.good, fact.output) == (False, f"{status}: database [31mis locked now")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nover\r\n4\r\nload\r\n0\r\n\r\n",
        b"HTTP/1.0 503 No\r\n\r\noverload",  # it ends with the connection
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 8\r\n\r\noverload",
        b"HTTP/1.1 503 No\r\nContent-Length: 8\r\n\r\noverloadHTTP/1.1 200 OK\r\n\r\n",
    ],
)
async def test_http_every_way_to_end_an_answer_is_understood(raw: bytes) -> None:
    assert (await asked_of(raw)).output == "503: overload"


async def test_http_an_answer_that_goes_on_does_not_keep_a_probe_waiting() -> None:
    fact = await asked_of(http(200, b"", "Connection: keep-alive\r\n"), stay=True)
    assert (fact.good, fact.output) == (True, "200")
    assert fact.took_ms < 1000


async def test_http_a_huge_body_is_cut() -> None:
    fact = await asked_of(http(500, b"x" * 5_000_000))
    assert fact.output == "500: " + "x" * 200


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour", "the answer broke off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "the answer is not HTTP"),
    ],
)
async def test_http_nonsense_is_a_bad_answer_in_plain_words(raw: bytes, words: str) -> None:
    fact = await asked_of(raw)
    assert (fact.good, fact.output) == (False, words)


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour"]
)
async def test_http_a_hang_at_any_stage_ends_at_the_limit(raw: bytes) -> None:
    fact = await asked_of(raw, stay=True, timeout="150ms")
    assert (fact.good, fact.output) == (False, "no answer within 150 ms")
    assert 140 <= fact.took_ms <= 1500


async def test_http_a_reset_connection_is_a_bad_answer_in_plain_words() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        held = writer.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with tcp_server(reset) as port:
        fact = await first_answer(target(port, probe("http")))
    assert (fact.good, fact.output) == (False, "connection reset by peer")


async def test_http_a_port_that_cannot_be_is_a_bad_answer() -> None:
    fact = await first_answer(target(70_000, probe("http")))
    assert (fact.good, fact.output) == (False, "there is no port 70000")


async def test_http_knows_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await asked_of(http(200))).good


@pytest.mark.parametrize("path", ["", "no/slash", "//twice", "/ä ö?q=%zz#end", "@elsewhere/"])
async def test_http_asks_this_instance_whatever_the_path(path: str) -> None:
    assert (await asked_of(http(200), path=path)).good


@pytest.mark.parametrize("kind", ["http", "tcp", "grpc"])
async def test_nobody_listening_is_a_bad_answer(kind: str) -> None:
    fact = await first_answer(target(free_port(), probe(kind)))
    assert not fact.good
    assert "refused" in fact.output.lower()


async def test_http_a_full_accept_queue_is_noticed() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for client in waiting:
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
    try:
        port = listener.getsockname()[1]
        fact = await first_answer(target(port, probe("http", timeout="200ms")))
        assert (fact.good, fact.output) == (False, "no answer within 200 ms")
    finally:
        for used in (listener, *waiting):
            used.close()


# TCP


async def test_tcp_a_connection_that_opens_is_good() -> None:
    async with tcp_server(says(b"", stay=True)) as port:
        fact = await first_answer(target(port, probe("tcp")))
    assert (fact.good, fact.output) == (True, "connected")


# gRPC


async def grpc_answer(status: int | None, service: str = "", **more: object) -> Probed:
    """Ask a real gRPC server; with `status` None it has no health service."""
    server = grpc.aio.server()
    if status is not None:
        servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        await servicer.set("", status)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        return await first_answer(target(port, probe("grpc", service=service, **more)))
    finally:
        await server.stop(None)


async def test_grpc_serving_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    fact = await grpc_answer(health_pb2.HealthCheckResponse.SERVING)
    assert (fact.good, fact.output) == (True, "SERVING")


async def test_grpc_not_serving_is_bad() -> None:
    fact = await grpc_answer(health_pb2.HealthCheckResponse.NOT_SERVING)
    assert (fact.good, fact.output) == (False, "NOT_SERVING")


async def test_grpc_without_the_health_service_says_how_to_mend() -> None:
    fact = await grpc_answer(None)
    assert not fact.good
    assert fact.output.startswith("UNIMPLEMENTED: ")
    assert "grpc.health.v1" in fact.output
    assert "{ tcp = true }" in fact.output, "the hint can be copied into dreamnet.toml"


async def test_grpc_an_unknown_service_name_is_named_as_the_cause() -> None:
    fact = await grpc_answer(health_pb2.HealthCheckResponse.SERVING, service="nobody")
    assert not fact.good
    assert fact.output.startswith("NOT_FOUND: ")


async def test_grpc_a_hang_ends_at_the_limit() -> None:
    async with tcp_server(says(b"", stay=True)) as port:
        fact = await first_answer(target(port, probe("grpc", timeout="200ms")))
    assert (fact.good, fact.output) == (False, "no answer within 200 ms")


# Secrets


SECRETS = {
    "PASSWORD": "hunter2-hunter2",
    "DATABASE": "postgresql://app:pw%2Fs3cret!@db.internal/shop",
    "KEY": "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----",
    "QUOTED": 'a"b\\c<d>&e f',
    "SHORT": "yes",
}


async def test_no_output_shows_a_secret() -> None:
    said = " ".join(SECRETS.values()) + ' a\\"b\\\\c<d>&e f pw/s3cret! plain-value'
    environment = {**SECRETS, "MODE": "plain-value"}
    async with tcp_server(says(http(500, said.encode()))) as port:
        fact = await first_answer(
            target(port, probe("http"), environment=environment, plain={"MODE": "plain-value"})
        )
    assert not any(secret in fact.output for secret in SECRETS.values() if len(secret) > 5)
    assert "MIIEv" not in fact.output
    assert "s3cret" not in fact.output
    assert "b\\\\c" not in fact.output
    assert "yes" in fact.output
    assert "plain-value" in fact.output


# Shutting down


async def test_nothing_is_left_behind() -> None:
    process = psutil.Process()
    async with tcp_server(says(b"", stay=True)) as port:
        await first_answer(target(free_port(), probe("grpc")))  # grpc keeps its own few for ever
        before = (process.num_fds(), len(asyncio.all_tasks()))
        kinds = [
            probe("http", timeout="50ms"),
            probe("tcp"),
            probe("grpc", timeout="50ms"),
            probe("command", command="sleep 1000", timeout="50ms"),
        ]
        environment = {"PATH": os.environ["PATH"]}
        targets = [
            target(port, kind, name=f"i-{number}", folder="/", environment=environment)
            for number, kind in enumerate(kinds)
        ]
        async with probing(*targets) as heard:
            await heard.count(40)
        assert not [child for child in process.children() if child.name() == "sleep"]
        await until(lambda: (process.num_fds(), len(asyncio.all_tasks())) <= before)
        told = len(heard.facts)
        heard.prober.follow({targets[0].instance.id: targets[0]})
        heard.prober.ask_now(targets[0].instance.id, Aspect.LIVE)
        assert len(heard.facts) == told


# The node's loop


@pytest.mark.parametrize(
    "story",
    [
        test_http_asks_a_real_server_over_a_new_connection_each_time,
        test_http_a_huge_body_is_cut,
        test_tcp_a_connection_that_opens_is_good,
        test_grpc_not_serving_is_bad,
        test_grpc_a_hang_ends_at_the_limit,
        test_nothing_is_left_behind,
    ],
)
def test_the_same_holds_on_uvloop(story: Story) -> None:
    on_uvloop(story())
