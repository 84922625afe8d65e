"""Streams: the ledger row by row, and the log lines of services and of the node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
from web_stage import SHOP, Stage

from dreamnet.client import Client
from dreamnet.model.services import Slot
from dreamnet.web.nodelog import NodeLog


async def note(stage: Stage, number: int) -> None:
    now = stage.handles.world.clock.now()
    await stage.store.tx(lambda tx: tx.ledger.append("note", "shop", {"number": number}, now))


async def events(answer: aiohttp.ClientResponse, many: int) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    async with asyncio.timeout(5):
        while len(found) < many:
            line = (await answer.content.readline()).decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = value
            elif "data" in fields:
                found.append(fields)
                fields = {}
    return found


async def test_events_start_now_and_come_as_rows_are_written(stage: Stage) -> None:
    await note(stage, 1)
    async with stage.client.get(stage.url + "/api/events") as answer:
        assert answer.content_type == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        await note(stage, 2)
        (event,) = await events(answer, 1)
    assert (event["id"], event["event"]) == ("3", "note")
    assert json.loads(event["data"])["body"] == {"number": 2}


async def test_events_resume_where_a_reader_left_off(stage: Stage) -> None:
    for number in range(1, 4):
        await note(stage, number)
    url = stage.url + "/api/events"
    for options in ({"headers": {"Last-Event-ID": "2"}}, {"params": {"after": "2"}}):
        async with stage.client.get(url, **options) as answer:
            assert [one["id"] for one in await events(answer, 2)] == ["3", "4"]


async def test_the_header_wins_over_the_query(stage: Stage) -> None:
    for number in range(1, 4):
        await note(stage, number)
    url = stage.url + "/api/events?after=0"
    async with stage.client.get(url, headers={"Last-Event-ID": "3"}) as answer:
        assert [one["id"] for one in await events(answer, 1)] == ["4"]


async def test_a_wrong_event_id_is_a_problem(stage: Stage) -> None:
    for wrong in ("x", "-1", "1.5", "9" * 19 + "9"):
        headers = {"Last-Event-ID": wrong}
        assert (await stage.get("/api/events", headers=headers))[0] == 422


async def test_many_rows_come_whole_and_in_order(stage: Stage) -> None:
    now = stage.handles.world.clock.now()

    def write(tx: Any) -> None:
        for number in range(450):
            tx.ledger.append("note", "shop", {"number": number}, now)

    await stage.store.tx(write)
    async with stage.client.get(stage.url + "/api/events?after=0") as answer:
        found = await events(answer, 450)
    assert [int(one["id"]) for one in found] == list(range(1, 451))


async def test_a_silent_stream_beats(stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr("dreamnet.web.streams.BEAT_S", 0.05)
    async with stage.client.get(stage.url + "/api/events") as answer, asyncio.timeout(5):
        while b"beat" not in await answer.content.readline():
            pass


async def test_our_own_client_reads_the_stream(stage: Stage) -> None:
    await note(stage, 1)
    client = Client(stage.url, stage.token)

    def first() -> Any:
        return next(client.events(last_event_id="1"))

    event = await asyncio.to_thread(first)
    assert (event.id, event.name, event.json()["subject"]) == ("2", "note", "shop")


async def records(answer: aiohttp.ClientResponse, many: int) -> list[Any]:
    async with asyncio.timeout(5):
        found: list[Any] = []
        while len(found) < many:
            line = await answer.content.readline()
            if line.strip():
                found.append(json.loads(line))
        return found


async def test_the_last_lines_of_each_instance(stage: Stage) -> None:
    await stage.start_instances()
    for seen in stage.handles.world.of_service(SHOP):
        for number in range(3):
            await stage.platform.say(seen.instance.id, f"line {number}")
    async with stage.client.get(stage.url + "/api/logs/shop?lines=2") as answer:
        assert answer.content_type == "application/x-ndjson"
        found = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [(one["slot"], one["line"]) for one in found] == [
        (1, "line 1"),
        (1, "line 2"),
        (2, "line 1"),
        (2, "line 2"),
    ]
    async with stage.client.get(stage.url + "/api/logs/shop?slot=2&lines=1") as answer:
        assert len((await answer.text()).splitlines()) == 1


async def test_followed_logs_go_on_with_instances_that_start_later(stage: Stage) -> None:
    await stage.start_instances()
    async with stage.client.get(stage.url + "/api/logs/shop?follow=true&slot=1") as answer:
        first = stage.handles.world.of_slot(SHOP, Slot(1))[0].instance
        await stage.platform.say(first.id, "before")
        assert [one["line"] for one in await records(answer, 1)] == ["before"]
        _, body = await stage.ask("deploykeeper", action="restart", service="shop", slot=1)
        await stage.performed(body["link"])
        second = next(
            seen.instance
            for seen in stage.handles.world.of_service(SHOP)
            if seen.instance.slot == 1 and seen.instance.id != first.id
        )
        await stage.platform.say(second.id, "after")
        (record,) = await records(answer, 1)
    assert (record["instance"], record["line"]) == (second.id, "after")


async def test_an_unknown_slot_lists_those_there_are(stage: Stage) -> None:
    status, problem = await stage.get("/api/logs/shop?slot=7")
    assert (status, problem["exists"]) == (404, ["shop/1", "shop/2"])


async def test_the_nodes_own_log(stage: Stage) -> None:
    file = stage.folder / ".dreamnet" / "logs" / "dreamnet" / "node.log"
    file.parent.mkdir(parents=True)
    file.write_text("one\ntwo\nthree\n")
    async with stage.client.get(stage.url + "/api/logs/dreamnet?lines=2&follow=true") as answer:
        assert [one["line"] for one in await records(answer, 2)] == ["two", "three"]
        with file.open("a") as out:
            out.write("four\n")
        assert await records(answer, 1) == [{"instance": "dreamnet", "slot": None, "line": "four"}]
    assert (await stage.get("/api/logs/dreamnet?slot=1"))[0] == 422


async def test_a_rotated_node_log_is_read_on(tmp_path: Path) -> None:
    file = tmp_path / "node.log"
    file.write_text("one\nhal")
    lines = aiter(NodeLog(file).lines(10, follow=True))
    assert await anext(lines) == "one"
    with file.open("a") as out:
        out.write("f\n")
    assert await anext(lines) == "half"
    file.rename(tmp_path / "node.log.1")
    file.write_text("new\n")
    assert await anext(lines) == "new"


async def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert [line async for line in NodeLog(tmp_path / "none").lines(5, follow=False)] == []
