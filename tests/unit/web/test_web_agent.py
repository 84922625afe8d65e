"""The agents' door: questions, work, refusals, and every way to ask wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from web_stage import Stage, web_stage

from dreamnet.model.actions import Agent, Office
from dreamnet.model.messages import DeliveryState
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy


async def test_dreamnet_health_tells_what_is_wrong(stage: Stage) -> None:
    stage.handles.health.started()
    status, body = await stage.ask("dreamkeeper", check="dreamnet-health", target="self")
    assert status == 200
    assert (body["agent"], body["ok"]) == ("dreamkeeper", False)
    assert "gateway: the gateway does not answer" in body["result"]["why"]
    stage.parts_answer()
    _, body = await stage.ask("dreamkeeper", check="dreamnet-health")
    assert body["ok"] is True
    assert body["result"]["parts"] == {"gateway": True, "room": True, "node": True}
    assert body["result"]["dreams"] == []


async def test_service_health_counts_what_is_ready(stage: Stage) -> None:
    _, before = await stage.ask("dreamkeeper", check="service-health", target="shop")
    assert before["ok"] is False
    await stage.start_instances()
    status, body = await stage.ask("dreamkeeper", check="service-health", target="shop")
    assert (status, body["ok"]) == (200, True)
    assert (body["result"]["ready"], body["result"]["desired"]) == (2, 2)


async def test_restart_of_a_slot_is_let_out_performed_and_followed_to_its_end(stage: Stage) -> None:
    await stage.start_instances()
    first = {seen.instance.id for seen in stage.handles.world.instances.values()}
    answer = await stage.post(
        "/api/agent",
        {"agent": "deploykeeper", "input": {"action": "restart", "service": "shop", "slot": 1}},
    )
    body = await answer.json()
    assert answer.status == 202
    assert answer.headers["Location"] == body["link"] == f"/api/actions/{body['action']}"
    assert body["result"] == {"phase": "permitted", "verb": "restart", "target": "shop/1"}
    _, action = await stage.get(body["link"])
    assert (action["done"], action["agent"], action["office"]) == (False, "operator", "deploy")

    action = await stage.performed(body["link"])
    now = {seen.instance.id for seen in stage.handles.world.instances.values()}
    assert (action["phase"], len(now - first)) == ("succeeded", 1)


async def test_scale_changes_what_is_wanted(stage: Stage) -> None:
    status, body = await stage.ask("deploykeeper", action="scale", service="shop", replicas=4)
    assert status == 202
    action = await stage.performed(body["link"])
    assert (action["verb"], action["args"]) == ("scale", {"replicas": 4})
    assert stage.handles.world.desired["shop"] == 4


async def test_status_of_a_service_and_of_dreamnet(stage: Stage) -> None:
    status, body = await stage.ask("deploykeeper", action="status", service="mail")
    assert (status, body["result"]["name"], body["ok"]) == (200, "mail", False)
    status, body = await stage.ask("deploykeeper", action="status")
    assert (status, body["result"]["version"]) == (200, "1.2.3")


async def test_dreamnet_restarts_itself_through_the_desk(stage: Stage) -> None:
    status, body = await stage.ask("deploykeeper", action="restart")
    assert (status, body["result"]["target"]) == (202, "node")
    assert stage.restarts == ["restart"]
    _, action = await stage.get(body["link"])
    assert (action["phase"], action["performer"]) == ("succeeded", "root")
    status, _ = await stage.ask("deploykeeper", action="restart")
    assert status == 202
    assert len(stage.restarts) == 2


async def test_a_restart_that_an_earlier_node_could_not_record_bars_nothing(stage: Stage) -> None:
    from dreamnet.web.replies import Ask
    from dreamnet.web.restart import own_restart

    [own] = stage.handles.keyring.tokens()
    ask = Ask("agent", None, own, "stale")
    stale = await stage.handles.desk.propose(own_restart(ask))
    status, _ = await stage.ask("deploykeeper", action="restart")
    assert (status, stage.restarts) == (202, ["restart"])
    _, action = await stage.get(f"/api/actions/{stale.action.id}")
    assert (action["phase"], action["detail"]) == ("failed", "the node ended before it")


async def test_dreamnet_itself_is_not_scaled_and_has_no_slots(stage: Stage) -> None:
    for body in ({"action": "scale", "replicas": 2}, {"action": "restart", "slot": 1}):
        status, problem = await stage.ask("deploykeeper", **body)
        assert status == 422
        assert problem["mend"]
    assert stage.restarts == []


async def test_envkeeper_names_what_is_missing_and_never_a_value(stage: Stage) -> None:
    status, body = await stage.ask("envkeeper", action="validate", service="shop")
    assert (status, body["ok"]) == (200, True)
    (stage.folder / ".env").write_text("OTHER=secret\n")
    status, body = await stage.ask("envkeeper", action="validate")
    assert body["ok"] is False
    shop = next(one for one in body["result"]["services"] if one["service"] == "shop")
    assert (shop["complete"], shop["missing"]) == (False, ["SHOP_KEY"])
    assert "secret" not in json.dumps(body)


async def test_relaybot_queues_a_message_that_arrives(stage: Stage) -> None:
    answer = await stage.post(
        "/api/agent",
        {
            "agent": "relaybot",
            "input": {
                "from": "dreamkeeper",
                "to": "deploykeeper",
                "message": "health-check-failed-needs-restart",
                "payload": {"case": "dream-1"},
            },
        },
    )
    body = await answer.json()
    assert answer.status == 202
    assert body["result"]["state"] == "queued"
    await stage.handles.relaybot.tick()
    _, message = await stage.get(answer.headers["Location"])
    assert (message["state"], message["done"]) == (DeliveryState.DELIVERED, True)
    assert (message["from"], message["to"]) == (Agent.DREAMKEEPER, Agent.DEPLOYKEEPER)
    _, of_case = await stage.get("/api/messages?case=dream-1")
    assert [one["id"] for one in of_case["messages"]] == [message["id"]]


async def test_a_busy_target_is_refused_with_reason_and_mend(stage: Stage) -> None:
    await stage.start_instances()
    await stage.ask("deploykeeper", action="restart", service="shop", slot=1)
    answer = await stage.post(
        "/api/agent", {"agent": "deploykeeper", "input": {"action": "restart", "service": "shop"}}
    )
    problem = await answer.json(content_type=None)
    assert answer.status == 409
    assert answer.content_type == "application/problem+json"
    assert problem["detail"] == "another action holds shop/1"
    assert problem["mend"]
    assert answer.headers["Retry-After"] == "1"


async def test_nothing_is_let_out_while_halted(stage: Stage) -> None:
    (stage.folder / "halt").touch()
    status, problem = await stage.ask("deploykeeper", action="scale", service="shop", replicas=3)
    assert (status, problem["mend"]) == (409, "dreamnet resume")


def trusting(mode: OfficeMode) -> ReefPolicy:
    return ReefPolicy(offices={one: OfficePolicy(capacity=9, mode=mode) for one in Office})


async def test_what_an_agent_suggests_waits_until_a_person_decides(tmp_path: Path) -> None:
    async with web_stage(tmp_path, reef=trusting(OfficeMode.SUGGEST)) as stage:
        await stage.start_instances()
        waiting = await stage.suggest()
        for path in ("/api/status", "/api/agents"):
            _, body = await stage.get(path)
            assert [one["id"] for one in body["waiting"]] == [waiting]
        link = f"/api/actions/{waiting}"
        approved = await stage.post(f"{link}/approve")
        assert (approved.status, (await approved.json())["phase"]) == (200, "permitted")
        again = await stage.post(f"{link}/deny")
        assert again.status == 409
        assert (await stage.performed(link))["phase"] == "succeeded"
        assert (await stage.get("/api/status"))[1]["waiting"] == []


@pytest.mark.parametrize("mode", [OfficeMode.OBSERVE, OfficeMode.SUGGEST])
async def test_a_person_asks_nobody_for_trust(tmp_path: Path, mode: OfficeMode) -> None:
    async with web_stage(tmp_path, reef=trusting(mode)) as stage:
        status, body = await stage.ask("deploykeeper", action="scale", service="shop", replicas=3)
        assert (status, body["result"]["phase"]) == (202, "permitted")
        assert (await stage.performed(body["link"]))["phase"] == "succeeded"
        await stage.ask("deploykeeper", action="restart")
        assert stage.restarts == ["restart"]


async def test_a_service_without_instances_cannot_be_restarted(stage: Stage) -> None:
    stage.handles.world.want({"shop": 0, "mail": 1})
    status, problem = await stage.ask("deploykeeper", action="restart", service="shop")
    assert (status, problem["mend"]) == (409, "scale it up first")


UNKNOWN: list[tuple[dict[str, Any], str, list[str]]] = [
    (
        {"agent": "nobody", "input": {}},
        "unknown-agent",
        ["dreamkeeper", "deploykeeper", "envkeeper", "relaybot"],
    ),
    (
        {"agent": "deploykeeper", "input": {"action": "explode"}},
        "unknown-action",
        ["restart", "scale", "status"],
    ),
    ({"agent": "envkeeper", "input": {"action": "leak"}}, "unknown-action", ["validate"]),
    (
        {"agent": "dreamkeeper", "input": {"check": "weather"}},
        "unknown-check",
        ["dreamnet-health", "service-health"],
    ),
    (
        {"agent": "dreamkeeper", "input": {"check": "dreamnet-health", "target": "moon"}},
        "unknown-target",
        ["self"],
    ),
    (
        {"agent": "dreamkeeper", "input": {"check": "service-health", "target": "moon"}},
        "unknown-service",
        ["shop", "mail"],
    ),
    (
        {"agent": "deploykeeper", "input": {"action": "restart", "service": "moon"}},
        "unknown-service",
        ["shop", "mail"],
    ),
    (
        {"agent": "deploykeeper", "input": {"action": "restart", "service": "shop", "slot": 9}},
        "unknown-slot",
        ["shop/1", "shop/2"],
    ),
    (
        {"agent": "envkeeper", "input": {"action": "validate", "service": "moon"}},
        "unknown-service",
        ["shop", "mail"],
    ),
    (
        {"agent": "relaybot", "input": {"from": "moon", "to": "root", "message": "hello"}},
        "unknown-agent",
        [str(agent) for agent in Agent],
    ),
]


@pytest.mark.parametrize(("body", "kind", "exists"), UNKNOWN)
async def test_an_unknown_name_is_404_and_lists_what_exists(
    stage: Stage, body: dict[str, Any], kind: str, exists: list[str]
) -> None:
    answer = await stage.post("/api/agent", body)
    problem = await answer.json(content_type=None)
    assert answer.status == 404, problem
    assert answer.content_type == "application/problem+json"
    assert problem["type"] == f"urn:dreamnet:problem:{kind}"
    assert problem["exists"] == exists
    assert problem["status"] == 404
    assert problem["mend"]


MISSHAPEN: list[tuple[Any, str]] = [
    ({"agent": "deploykeeper", "input": {"action": "scale", "service": "shop"}}, "input.replicas"),
    ({"agent": "deploykeeper", "input": {"action": "status", "pods": 1}}, "input.pods"),
    ({"agent": "deploykeeper"}, "input"),
    ({"input": {}}, "body"),
    ([], "body"),
    (
        {
            "agent": "relaybot",
            "input": {"from": "root", "to": "root", "message": "No Spaces"},
        },
        "input.message",
    ),
    (
        {
            "agent": "relaybot",
            "input": {"from": "root", "to": "root", "message": "x", "payload": {"a": "\ud800"}},
        },
        "input.payload",
    ),
    (
        {
            "agent": "relaybot",
            "input": {"from": "root", "to": "root", "message": "x", "payload": {"a": float("nan")}},
        },
        "input.payload",
    ),
]


@pytest.mark.parametrize(("body", "field"), MISSHAPEN)
async def test_a_wrong_shape_is_422_and_names_the_field(
    stage: Stage, body: Any, field: str
) -> None:
    answer = await stage.post("/api/agent", body)
    problem = await answer.json(content_type=None)
    assert answer.status == 422, problem
    assert [error["field"] for error in problem["errors"]] == [field]
    assert all(error["mend"] and error["what"] for error in problem["errors"])


async def test_more_than_allowed_is_422(stage: Stage) -> None:
    status, problem = await stage.ask("deploykeeper", action="scale", service="shop", replicas=6)
    assert (status, problem["detail"]) == (422, "shop may have at most 5 instances")


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5_000, b'{"a":}'])
async def test_what_is_no_json_is_400(stage: Stage, text: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await stage.client.post(stage.url + "/api/agent", data=text, headers=headers)
    assert answer.status == 400
    assert answer.content_type == "application/problem+json"


async def test_a_payload_nested_too_deep_is_422(stage: Stage) -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"a": deep}
    status, problem = await stage.ask(
        "relaybot", **{"from": "root", "to": "root", "message": "x", "payload": deep}
    )
    assert (status, problem["errors"][0]["field"]) == (422, "input.payload")


async def test_the_openapi_has_one_schema_for_each_agent(stage: Stage) -> None:
    _, schema = await stage.get("/openapi.json")
    post = schema["paths"]["/api/agent"]["post"]
    union = post["requestBody"]["content"]["application/json"]["schema"]
    assert set(union["discriminator"]["mapping"]) == {
        "dreamkeeper",
        "deploykeeper",
        "envkeeper",
        "relaybot",
    }
    assert {"200", "202", "400", "422", "default"} <= set(post["responses"])
    problem = post["responses"]["400"]["content"]["application/problem+json"]["schema"]
    assert problem["$ref"].rpartition("/")[2] in schema["components"]["schemas"]


async def test_a_restart_that_could_not_start_again_is_refused(stage: Stage) -> None:
    stage.handles.settings.file.write_text("[services.shop]\nrum = 'true'\n")
    status, body = await stage.ask("deploykeeper", action="restart")
    assert status == 422
    assert "rum" in json.dumps(body)
    assert stage.restarts == []


async def test_a_restart_that_nobody_would_follow_up_is_refused(stage: Stage) -> None:
    object.__setattr__(stage.handles, "watched", lambda: False)
    status, body = await stage.ask("deploykeeper", action="restart")
    assert (status, stage.restarts) == (409, [])
    assert "dreamnet up" in body["mend"]


async def test_who_says_no_action_is_told_what_to_say(stage: Stage) -> None:
    status, body = await stage.ask("deploykeeper")
    assert status == 422
    assert "say which action" in json.dumps(body)
    assert "discriminator" not in json.dumps(body)
