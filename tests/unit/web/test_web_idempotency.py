"""The same `Idempotency-Key`: one effect, one answer, however often and however fast it is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from web_stage import Stage, web_stage

from dreamnet.model.actions import Office
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy
from dreamnet.model.tokens import Scope
from dreamnet.web.keyring import Wish

SCALE = {"agent": "deploykeeper", "input": {"action": "scale", "service": "shop", "replicas": 3}}
LESS = {"agent": "deploykeeper", "input": {"action": "scale", "service": "shop", "replicas": 1}}
SAY = {"agent": "relaybot", "input": {"from": "operator", "to": "root", "message": "hello"}}
LOOK = {"agent": "deploykeeper", "input": {"action": "status", "service": "shop"}}
AGAIN = "Idempotency-Replayed"


async def counted(stage: Stage, noun: str) -> int:
    _, body = await stage.get(f"/api/{noun}")
    return len(body[noun])


async def test_the_same_request_again_is_the_same_answer_and_no_second_effect(stage: Stage) -> None:
    for body, noun in ((SCALE, "actions"), (SAY, "messages")):
        before = await counted(stage, noun)
        first = await stage.post("/api/agent", body, Idempotency_Key=f"key-{noun}")
        second = await stage.post("/api/agent", body, Idempotency_Key=f"key-{noun}")
        assert (first.status, second.status) == (202, 202)
        assert await first.json() == await second.json()
        assert first.headers["Location"] == second.headers["Location"]
        assert AGAIN not in first.headers
        assert second.headers[AGAIN] == "true"
        assert await counted(stage, noun) == before + 1


async def test_the_key_of_one_token_says_nothing_to_another(stage: Stage) -> None:
    first = await stage.post("/api/agent", SAY, Idempotency_Key="alike")
    _, text = await stage.handles.keyring.create(Wish("other", Scope.OPERATE, None, by="test"))
    theirs = {"Authorization": f"Bearer {text}", "Idempotency-Key": "alike"}
    for body in (SAY, LOOK):
        async with stage.client.post(stage.url + "/api/agent", json=body, headers=theirs) as answer:
            assert answer.status == (202 if body is SAY else 422)
            assert AGAIN not in answer.headers
            assert (await answer.json()).get("link") != (await first.json())["link"]
    assert await counted(stage, "messages") == 2
    again = await stage.post("/api/agent", SAY, Idempotency_Key="alike")
    assert (await again.json(), again.headers[AGAIN]) == (await first.json(), "true")


async def test_the_action_of_one_token_is_not_given_to_another(stage: Stage) -> None:
    first = await stage.post("/api/agent", SCALE, Idempotency_Key="alike")
    await stage.performed((await first.json())["link"])
    _, text = await stage.handles.keyring.create(Wish("other", Scope.OPERATE, None, by="test"))
    theirs = {"Authorization": f"Bearer {text}", "Idempotency-Key": "alike"}
    async with stage.client.post(stage.url + "/api/agent", json=SCALE, headers=theirs) as answer:
        assert (await answer.json()).get("link") != (await first.json())["link"]


async def test_the_layout_of_the_json_does_not_matter(stage: Stage) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "layout"}
    first = await stage.post("/api/agent", SCALE, Idempotency_Key="layout")
    text = '{ "input": {"replicas":3,  "service":"shop","action":"scale"},"agent":"deploykeeper" }'
    url = stage.url + "/api/agent"
    async with stage.client.post(url, data=text, headers=headers) as second:
        assert second.headers[AGAIN] == "true"
        assert await second.json() == await first.json()


async def test_the_same_key_for_another_request_is_refused(stage: Stage) -> None:
    await stage.post("/api/agent", SCALE, Idempotency_Key="one")
    for other in (LESS, SAY, LOOK):
        answer = await stage.post("/api/agent", other, Idempotency_Key="one")
        assert answer.status == 422
        assert (await answer.json(content_type=None))["type"].endswith("key-reused")
    assert await counted(stage, "actions") == 1


async def test_many_at_once_are_one_effect(stage: Stage) -> None:
    posts = [stage.post("/api/agent", SAY, Idempotency_Key="storm") for _ in range(20)]
    answers = await asyncio.gather(*posts)
    bodies: list[Any] = [await answer.json() for answer in answers]
    assert {answer.status for answer in answers} == {202}
    assert all(body == bodies[0] for body in bodies)
    assert sum(AGAIN not in answer.headers for answer in answers) == 1
    assert await counted(stage, "messages") == 1


async def test_a_question_is_answered_as_before(stage: Stage) -> None:
    first = await stage.post("/api/agent", LOOK, Idempotency_Key="look")
    stage.handles.world.want({"shop": 5, "mail": 1})
    second = await stage.post("/api/agent", LOOK, Idempotency_Key="look")
    assert second.headers[AGAIN] == "true"
    assert await second.json() == await first.json()
    third = await stage.post("/api/agent", LOOK)
    assert (await third.json())["result"]["desired"] == 5


async def test_a_refusal_is_not_kept_so_that_the_same_request_may_succeed_later(
    stage: Stage,
) -> None:
    halt = stage.folder / "halt"
    halt.touch()
    refused = await stage.post("/api/agent", SCALE, Idempotency_Key="later")
    halt.unlink()
    passed = await stage.post("/api/agent", SCALE, Idempotency_Key="later")
    assert (refused.status, passed.status) == (409, 202)
    assert AGAIN not in passed.headers


async def test_a_restart_of_dreamnet_happens_once(stage: Stage) -> None:
    body = {"agent": "deploykeeper", "input": {"action": "restart"}}
    for _ in range(3):
        answer = await stage.post("/api/agent", body, Idempotency_Key="again")
        assert answer.status == 202
    assert stage.restarts == ["restart"]


async def test_the_action_itself_is_one_even_if_the_kept_answer_is_gone(stage: Stage) -> None:
    first = await stage.post("/api/agent", SCALE, Idempotency_Key="pruned")
    later = stage.handles.world.clock.now()
    assert await stage.store.tx(lambda tx: tx.answers.prune(later)) == 1
    second = await stage.post("/api/agent", SCALE, Idempotency_Key="pruned")
    assert (await first.json())["action"] == (await second.json())["action"]
    assert await counted(stage, "actions") == 1


async def test_decisions_are_idempotent_too(tmp_path: Path) -> None:
    reef = ReefPolicy(offices={Office.HEAL: OfficePolicy(capacity=1, mode=OfficeMode.SUGGEST)})
    async with web_stage(tmp_path, reef=reef) as stage:
        link = f"/api/actions/{await stage.suggest()}"
        posts = [stage.post(f"{link}/approve", Idempotency_Key="yes") for _ in range(5)]
        answers = await asyncio.gather(*posts)
        assert {answer.status for answer in answers} == {200}
        assert sum(AGAIN not in answer.headers for answer in answers) == 1
        other = await stage.post(f"{link}/deny", Idempotency_Key="yes")
        assert other.status == 422


async def test_a_key_of_wrong_length_is_refused(stage: Stage) -> None:
    answer = await stage.post("/api/agent", LOOK, Idempotency_Key="x" * 201)
    assert answer.status == 422
