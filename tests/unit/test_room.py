"""The waiting room as a real process, spoken to as Envoy speaks to it."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dreamnet
from dreamnet.room.request import Body, Request

SOURCE = Path(dreamnet.__file__).parents[1]


class Room:
    """A room process and the file that rules it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.state = folder / "state.json"
        arguments = [sys.executable, "-S", "-s", "-P", "-m", "dreamnet.room"]
        arguments += ["--state", str(self.state), "--listen", "127.0.0.1:0", *options]
        environment = {"PYTHONPATH": str(SOURCE)}
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def rule(self, state: str, *ports: int, hold_s: float = 5) -> None:
        endpoints = [["127.0.0.1", port] for port in ports]
        entry = {"state": state, "endpoints": endpoints, "hold_s": hold_s}
        temporary = self.state.with_suffix(".new")
        temporary.write_text(json.dumps({"services": {"shop": entry}}))
        temporary.replace(self.state)

    async def send(self, *headers: str, body: bytes = b"", service: str = "shop") -> Caller:
        caller = Caller(*await asyncio.open_connection("127.0.0.1", self.port))
        lines = ["POST /x HTTP/1.1", "host: shop.localhost", f"x-dreamnet-service: {service}"]
        if body and not any("transfer" in header for header in headers):
            lines.append(f"content-length: {len(body)}")
        caller.writer.write("\r\n".join([*lines, *headers, "", ""]).encode() + body)
        return caller

    async def counters(self) -> dict[str, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET /room/counters HTTP/1.1\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    async def until(self, **expected: int) -> None:
        async with asyncio.timeout(5):
            while not expected.items() <= (await self.counters()).items():
                await asyncio.sleep(0.01)


class Caller:
    """One request in the room."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> str:
        async with asyncio.timeout(10):
            text = (await self.reader.read()).decode()
        self.writer.close()
        return text


@pytest.fixture
def room(tmp_path: Path):
    made = Room(tmp_path, "--most", "20", "--most-per-service", "10")
    yield made
    made.process.terminate()
    assert made.process.wait() == 0
    made.process.stdout.close()


@pytest.fixture
def instance() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))  # the kernel accepts; nobody need answer
    yield listener.getsockname()[1]
    listener.close()


def is_retry(answer: str) -> bool:
    return answer.startswith("HTTP/1.1 503") and "x-hold-retry: 1" in answer


def is_final(answer: str) -> bool:
    final = "x-envoy-ratelimited: 1" in answer and "retry-after: 1" in answer
    return answer.startswith("HTTP/1.1 503") and final and "x-hold-retry" not in answer


async def test_a_request_waits_until_its_service_is_ready(room: Room, instance: int):
    room.rule("hold")
    caller = await room.send(body=b"abc")
    await room.until(waiting=1)
    room.rule("ready", instance)
    assert is_retry(await caller.answer())
    await room.until(waiting=0, released=1)


async def test_ready_without_anybody_listening_waits_too(room: Room, instance: int):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    room.rule("ready", port)
    caller = await room.send()
    await room.until(waiting=1)
    room.rule("ready", instance)
    assert is_retry(await caller.answer())


async def test_the_wait_has_a_limit(room: Room):
    room.rule("hold", hold_s=0.2)
    answer = await (await room.send()).answer()
    assert is_final(answer)
    assert "no instance became ready in time" in answer


async def test_a_failing_service_is_refused_at_once(room: Room):
    room.rule("fail")
    assert is_final(await (await room.send()).answer())


async def test_waiting_requests_are_refused_when_their_service_fails(room: Room):
    room.rule("hold")
    caller = await room.send()
    await room.until(waiting=1)
    room.rule("fail")
    assert is_final(await caller.answer())


async def test_an_unknown_service_waits_briefly(room: Room):
    room.rule("hold")
    assert is_final(await (await room.send(service="other")).answer())


async def test_a_request_that_comes_back_again_and_again_is_refused(room: Room, instance: int):
    room.rule("ready", instance)
    answers = [await (await room.send("x-request-id: one")).answer() for _ in range(5)]
    assert [is_retry(answer) for answer in answers] == [True] * 4 + [False]
    assert is_final(answers[-1])


async def test_the_wait_counts_over_all_visits(room: Room, instance: int):
    room.rule("ready", instance, hold_s=0.3)
    assert is_retry(await (await room.send("x-request-id: one")).answer())
    room.rule("hold", hold_s=0.3)
    await asyncio.sleep(0.3)
    assert is_final(await (await room.send("x-request-id: one")).answer())


async def test_places_are_bounded_and_freed(room: Room, instance: int):
    room.rule("hold")
    callers = [await room.send() for _ in range(10)]
    await room.until(waiting=10)
    assert is_final(await (await room.send()).answer())
    for caller in callers[:4]:
        caller.writer.close()
    await room.until(waiting=6, left=4)
    late = await room.send()
    room.rule("ready", instance)
    answers = [await caller.answer() for caller in [*callers[4:], late]]
    assert all(map(is_retry, answers))


async def test_a_request_enters_only_when_it_is_whole(room: Room, instance: int):
    room.rule("ready", instance)
    caller = await room.send("content-length: 6", body=b"")
    caller.writer.write(b"abc")
    await room.until(waiting=0, held=0)
    caller.writer.write(b"def")
    assert is_retry(await caller.answer())


@pytest.mark.parametrize("header", ["content-length: 2000000", "upgrade: websocket"])
async def test_what_the_gateway_cannot_send_again_does_not_wait(room: Room, header: str):
    room.rule("hold")
    assert is_final(await (await room.send(header)).answer())


async def test_an_endless_body_is_refused(room: Room):
    room.rule("hold")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    caller = await room.send("transfer-encoding: chunked", body=chunk * 20)
    assert is_final(await caller.answer())


@pytest.mark.parametrize("noise", [b"nonsense\r\n\r\n", b"A" * 200_000, b"GET / HTTP/1.1\r\n"])
async def test_noise_ends_or_times_out_and_harms_nobody(room: Room, noise: bytes):
    reader, writer = await asyncio.open_connection("127.0.0.1", room.port)
    writer.write(noise)
    if noise.endswith(b"\r\n\r\n") or len(noise) > 1000:
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
    assert (await room.counters())["waiting"] == 0


async def test_a_broken_state_file_keeps_the_last_rules(room: Room):
    room.rule("fail")
    assert is_final(await (await room.send()).answer())
    room.state.write_text("{broken")
    assert "the service is down" in await (await room.send()).answer()


def test_a_taken_port_is_said(room: Room, tmp_path: Path):
    arguments = ["--state", str(tmp_path / "s"), "--listen", f"127.0.0.1:{room.port}"]
    done = subprocess.run(
        [sys.executable, "-m", "dreamnet.room", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "cannot listen" in done.stderr


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 9), st.booleans())
def test_a_chunked_body_is_followed_to_its_end(chunks, step, trailer):
    raw = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    raw += b"0\r\n" + (b"x: y\r\n" if trailer else b"") + b"\r\n"
    body = Body(chunked=True)
    for start in range(0, len(raw), step):
        assert not body.complete
        body.feed(raw[start : start + step])
    assert body.complete


def test_the_head_is_read_whatever_its_case():
    request = Request.parse(b"HEAD /x HTTP/1.1\r\nContent-Length:  5\r\nX-A:b")
    assert request.headers == {b"content-length": b"5", b"x-a": b"b"}
    assert not request.body().complete
