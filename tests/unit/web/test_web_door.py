"""The door: foreign names and pages stay out, bodies are bounded, every answer is strict."""

from __future__ import annotations

import asyncio

import pytest
from starlette.datastructures import Headers
from web_stage import Stage

from dreamnet.web import door
from dreamnet.web.door import SECURITY_HEADERS, check_host, is_loopback
from dreamnet.web.problems import Problem

LOOPBACK = [
    "127.0.0.1",
    "127.0.0.1:7300",
    "localhost",
    "LOCALHOST:1",
    "[::1]",
    "[::1]:7300",
    "127.0.0.2:80",
]
FOREIGN = [
    "",
    "evil.example",
    "evil.example:7300",
    "127.0.0.1.evil.example",
    "localhost.evil.example:7300",
    "127.0.0.1@evil.example",
    "evil.example@127.0.0.1",
    "127.0.0.1/evil",
    "192.168.1.2:7300",
    "0.0.0.0",
    "[::1",
    "::1",
    "127.0.0.1:port",
    "127.0.0.1:99999",
    "2130706433",
    "localhost#x",
    "shop.localhost",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_is_recognised(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_everything_else_is_foreign(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("path", ["/api/status", "/health/live", "/metrics", "/openapi.json"])
async def test_a_foreign_host_is_refused_everywhere(stage: Stage, path: str) -> None:
    status, problem = await stage.get(path, headers={"Host": "evil.example"})
    assert (status, problem["type"]) == (403, "urn:dreamnet:problem:foreign-host")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:9", "https://{host}", ""]
)
async def test_a_post_from_another_page_is_refused(stage: Stage, origin: str) -> None:
    host = stage.url.removeprefix("http://")
    body = {"agent": "envkeeper", "input": {"action": "validate"}}
    answer = await stage.post("/api/agent", body, Origin=origin.format(host=host))
    assert answer.status == 403
    own = await stage.post("/api/agent", body, Origin=stage.url)
    assert own.status == 200


async def test_every_answer_has_the_strict_headers(stage: Stage) -> None:
    for path in ("/api/status", "/health/live", "/nowhere", "/metrics", "/api/services/moon"):
        async with stage.client.get(stage.url + path) as answer:
            for name, value in SECURITY_HEADERS.items():
                assert answer.headers.getall(name) == [value], path
            assert "server" not in answer.headers


async def test_only_json_is_taken(stage: Stage) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await stage.client.post(
            stage.url + "/api/agent", data=b"{}", headers={"Content-Type": kind}
        )
        assert answer.status == 415


async def test_a_large_body_is_refused_with_and_without_a_length(stage: Stage) -> None:
    async def parts():
        for _ in range(3):
            yield b" " * 500_000

    headers = {"Content-Type": "application/json"}
    for data in (b" " * 1_000_001, parts()):
        answer = await stage.client.post(stage.url + "/api/agent", data=data, headers=headers)
        assert answer.status == 413
        assert answer.content_type == "application/problem+json"


async def test_a_body_that_does_not_come_is_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "BODY_LIMIT_S", 0.05)
    host, _, port = stage.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /api/agent HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n"
    head += f"Authorization: Bearer {stage.token}\r\n\r\n{{"
    writer.write(head.encode())
    line = await asyncio.wait_for(reader.readline(), 5)
    assert b"408" in line
    writer.close()
    await writer.wait_closed()


async def test_an_unknown_path_and_method_are_problems(stage: Stage) -> None:
    assert (await stage.get("/api/nowhere"))[1]["status"] == 404
    async with stage.client.delete(stage.url + "/api/services") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET"
        assert (await answer.json(content_type=None))["status"] == 405


def test_any_name_is_taken_only_where_others_may_ask() -> None:
    headers = Headers({"host": "dreamnet.example:7300"})
    assert check_host(headers, any_host=True) == "dreamnet.example:7300"
    with pytest.raises(Problem, match="does not name this machine"):
        check_host(headers, any_host=False)
