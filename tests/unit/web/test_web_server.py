"""The server: binding, serving again after an error, and an end that nobody can hold up."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from pathlib import Path

import pytest
from web_stage import Stage, web_stage

from dreamnet.kernel.errors import Conflict, UserError
from dreamnet.model.address import Address
from dreamnet.web.server import bind
from dreamnet.web.streams import MOST_STREAMS


def free() -> Address:
    return Address.model_construct(host="127.0.0.1", port=0)


def test_a_taken_port_is_a_conflict_that_names_the_setting() -> None:
    with bind(free()) as taken:
        address = Address(host="127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(Conflict) as caught:
            bind(address)
    assert str(address) in str(caught.value)
    assert "[node] listen" in str(caught.value)


def test_a_port_shared_by_others_is_still_a_conflict() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(Conflict):
            bind(Address(host="127.0.0.1", port=other.getsockname()[1]))


def test_an_address_of_another_machine_is_a_user_error() -> None:
    with pytest.raises(UserError) as caught:
        bind(Address(host="192.0.2.1", port=7300))
    assert "mend" in str(caught.value)


async def test_answers_are_not_delayed_by_nagle(stage: Stage) -> None:
    began = time.monotonic()
    for _ in range(25):
        assert (await stage.get("/api/dreams"))[0] == 200
    assert time.monotonic() - began < 25 * 0.03


async def test_signals_stay_with_the_node(stage: Stage) -> None:
    assert await stage.get("/api/services")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_streams_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async with web_stage(tmp_path) as stage:
        await stage.start_instances()
        answers = [
            await stage.client.get(stage.url + path)
            for path in ("/api/events?after=0", "/api/logs/shop?follow=true")
        ]
        assert all(answer.status == 200 for answer in answers)
        assert stage.app.streams.count == 2
        began = time.monotonic()
        await stage.server.close()
        assert time.monotonic() - began < 2
        for answer in answers:
            await asyncio.wait_for(answer.content.read(), 2)
        assert stage.app.streams.count == 0
    with pytest.raises(OSError, match="onnect"):
        await asyncio.open_connection("127.0.0.1", int(stage.url.rpartition(":")[2]))


async def test_a_reader_that_left_frees_its_stream(stage: Stage) -> None:
    answer = await stage.client.get(stage.url + "/api/events")
    assert stage.app.streams.count == 1
    answer.close()
    async with asyncio.timeout(5):
        while stage.app.streams.count:
            await asyncio.sleep(0.01)


async def test_too_many_streams_are_refused(stage: Stage) -> None:
    stage.app.streams._most = 2
    assert MOST_STREAMS > 2
    open_ones = [await stage.client.get(stage.url + "/api/events") for _ in range(2)]
    status, problem = await stage.get("/api/events")
    assert (status, problem["type"]) == (503, "urn:dreamnet:problem:no-more-streams")
    for answer in open_ones:
        answer.close()


async def test_a_store_that_is_away_is_a_problem_not_a_fault(stage: Stage) -> None:
    await stage.store.close()
    async with stage.client.get(stage.url + "/api/dreams") as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.content_type == "application/problem+json"
    assert (await stage.get("/health/live"))[0] == 200
    async with stage.client.get(stage.url + "/metrics") as answer:
        assert answer.status == 200


async def test_an_error_of_our_own_tells_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> bool:
        raise RuntimeError("postgres://user:secret@host")

    monkeypatch.setattr(stage.handles.desk, "halted", broken)
    async with stage.client.get(stage.url + "/api/agents") as answer:
        assert answer.status == 500
        assert "secret" not in await answer.text()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
