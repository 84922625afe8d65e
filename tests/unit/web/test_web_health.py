"""The node's readiness: what it depends on, what it tells, and to whom."""

from __future__ import annotations

import aiohttp
import pytest
from web_stage import SHOP, Stage

from dreamnet.model.facts import EnvInvalid, PartDied
from dreamnet.model.instances import Exit


async def test_not_ready_before_the_start_is_over(stage: Stage) -> None:
    stage.parts_answer()
    status, body = await stage.get("/health/ready")
    assert (status, body["notes"]) == (503, ["not started"])
    assert (await stage.get("/health/live"))[0] == 200
    assert (await stage.get("/health/startup"))[0] == 503
    stage.handles.health.started()
    for path in ("/health/ready", "/ready", "/health", "/health/startup"):
        assert (await stage.get(path))[0] == 200


@pytest.mark.parametrize("part", ["gateway", "room"])
async def test_not_ready_while_a_part_is_down(stage: Stage, part: str) -> None:
    stage.handles.health.started()
    stage.parts_answer()
    now = stage.handles.world.clock.now()
    stage.handles.world.apply(PartDied(at=now, part=part, exit=Exit(at=now, signal=9)))
    status, body = await stage.get("/ready")
    assert status == 503
    assert body["checks"][f"{part}:goodInRow"][0]["status"] == "fail"
    _, node = await stage.get("/api/status")
    assert node["node"]["ready"] is False
    assert node["node"]["why"] == [f"{part}: the {part} does not answer"]


async def test_an_incomplete_environment_is_a_warning(stage: Stage) -> None:
    stage.handles.health.started()
    stage.parts_answer()
    now = stage.handles.world.clock.now()
    stage.handles.world.apply(EnvInvalid(at=now, service=SHOP, missing=("SHOP_KEY",)))
    status, body = await stage.get("/ready")
    assert (status, body["status"]) == (200, "warn")
    _, service = await stage.get("/api/services/shop")
    assert service["env_problem"] == "missing: SHOP_KEY"


async def test_every_check_is_there(stage: Stage) -> None:
    stage.handles.health.started()
    stage.parts_answer()
    _, body = await stage.get("/ready")
    named = {key.partition(":")[0] for key in body["checks"]}
    assert named == {"store", "migrations", "gateway", "room", "disk", "environments", "root"}


async def test_a_store_that_is_away_takes_readiness(stage: Stage) -> None:
    stage.handles.health.started()
    stage.parts_answer()
    await stage.store.close()
    status, body = await stage.get("/ready")
    assert status == 503
    assert body["checks"]["store:responseTime"][0]["status"] == "fail"


async def test_head_and_content_type(stage: Stage) -> None:
    async with stage.client.head(stage.url + "/health/live") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/health+json"


async def test_without_a_token_it_tells_the_status_and_nothing_else(stage: Stage) -> None:
    stage.handles.health.started()
    stage.parts_answer()
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with aiohttp.ClientSession(headers=headers) as client:
            for path in ("/health", "/health/live", "/health/ready", "/health/startup", "/ready"):
                async with client.get(stage.url + path) as answer:
                    assert answer.status == 200
                    assert await answer.json(content_type=None) in (
                        {"status": "pass"},
                        {"status": "warn"},
                    )
                async with client.head(stage.url + path) as answer:
                    assert answer.status == 200
