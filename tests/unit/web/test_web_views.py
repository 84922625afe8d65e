"""What the API shows: status, services, dreams, actions, messages, the ledger."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from web_stage import SHOP, Stage, replace, served, web_stage

from dreamnet.domain.dreams.diagnosis import Symptom, SymptomKind
from dreamnet.domain.dreams.dream import open_dream
from dreamnet.domain.dreams.view import View
from dreamnet.model.actions import Office
from dreamnet.model.cases import Case, CaseId, CaseKind
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy
from dreamnet.model.routes import GatewaySample
from dreamnet.model.services import Slot


async def open_case(stage: Stage, number: int, *, live: bool = True, phase: str = "open") -> Case:
    now = stage.handles.world.clock.now() + timedelta(seconds=number)
    symptom = Symptom(kind=SymptomKind.CRASH, words="killed by signal 9")
    dream = open_dream(View(target=f"shop/{number}"), symptom, carried=0, now=now)
    case = Case(
        id=CaseId(f"dream-{number}"),
        kind=CaseKind.DREAM,
        target=dream.target,
        fingerprint=f"print-{number}",
        phase=phase,
        live=live,
        opened=now,
        updated=now,
        data=dream.model_dump(mode="json"),
    )
    opened = await stage.store.tx(lambda tx: tx.cases.open(case))
    assert opened is not None
    return opened


async def test_status_in_one_look(stage: Stage) -> None:
    await stage.start_instances()
    await open_case(stage, 1, phase="escalated")
    await open_case(stage, 2)
    _, body = await stage.get("/api/status")
    assert body["node"]["version"] == "1.2.3"
    assert body["node"]["halted"] is False
    assert body["node"]["data_dir"] == str((stage.folder / ".dreamnet").resolve())
    assert body["node"]["pid"] > 0
    assert body["gateway"]["url"] == "http://127.0.0.1:8080"
    assert body["dreams"] == {"live": 2, "escalated": 1}
    assert [one["name"] for one in body["services"]] == ["shop", "mail"]
    (stage.folder / "halt").touch()
    assert (await stage.get("/api/status"))[1]["node"]["halted"] is True


async def test_a_service_with_its_instances(stage: Stage) -> None:
    await stage.start_instances()
    first = stage.handles.world.of_slot(SHOP, Slot(1))[0].instance
    stage.handles.world.mark_traffic(frozenset({first.address}))
    _, shop = await stage.get("/api/services/shop")
    assert (shop["desired"], shop["ready"]) == (2, 2)
    assert shop["route"] == {"host": "shop.localhost", "path": "/"}
    assert shop["url"] == "http://127.0.0.1:8080/"
    one, other = shop["instances"]
    assert (one["target"], one["state"], one["live"], one["ready"]) == (
        "shop/1",
        "running",
        "well",
        "well",
    )
    assert (one["in_traffic"], other["in_traffic"]) == (True, False)
    assert one["rss_bytes"] == 1_000_000
    assert one["uptime_s"] >= 0
    assert one["exit"] is None


async def test_an_ended_instance_tells_how(stage: Stage) -> None:
    await stage.start_instances()
    first = stage.handles.world.of_slot(SHOP, Slot(1))[0].instance
    stage.handles.world.take(await stage.platform.die(first.id, signal=9))
    _, shop = await stage.get("/api/services/shop")
    one = shop["instances"][0]
    assert (one["state"], one["exit"]) == ("exited", "killed by signal 9")
    assert one["uptime_s"] is None
    assert one["rss_bytes"] is None
    assert shop["ready"] == 1


async def test_dreams_are_listed_newest_first_and_told_whole(stage: Stage) -> None:
    for number in range(1, 5):
        await open_case(stage, number, live=number % 2 == 0)

    async def listed(query: str) -> list[str]:
        _, body = await stage.get(f"/api/dreams{query}")
        return [one["id"] for one in body["dreams"]]

    assert await listed("") == ["dream-4", "dream-3", "dream-2", "dream-1"]
    assert await listed("?live=true&limit=1") == ["dream-4"]
    assert await listed("?live=false&limit=1") == ["dream-3"]
    _, whole = await stage.get("/api/dreams/dream-1")
    assert whole["symptom"] == "crash"
    assert whole["last"] == "crash: killed by signal 9"
    assert [event["phase"] for event in whole["story"]] == ["open"]
    assert (whole["actions"], whole["messages"], whole["tries"]) == ([], [], [])


async def test_unknown_ids_are_problems(stage: Stage) -> None:
    for path in ("dreams/x", "actions/x", "messages/x", "services/x", "logs/x", "dreams/%00%FF"):
        status, problem = await stage.get(f"/api/{path}")
        assert (status, problem["status"]) == (404, 404)
        assert problem["mend"]


async def test_wrong_queries_are_problems(stage: Stage) -> None:
    for path in (
        "dreams?limit=0",
        "dreams?live=maybe",
        "ledger?after=-1",
        f"ledger?after={2**63}",
        "logs/shop?lines=1000000",
        "actions?limit=many",
    ):
        status, problem = await stage.get(f"/api/{path}")
        assert (status, problem["type"]) == (422, "urn:dreamnet:problem:invalid")
        assert problem["errors"][0]["field"]


async def test_agents_with_their_offices(stage: Stage) -> None:
    await stage.ask("deploykeeper", action="scale", service="shop", replicas=3)
    _, body = await stage.get("/api/agents")
    assert [one["agent"] for one in body["agents"]] == [
        "dreamkeeper",
        "deploykeeper",
        "envkeeper",
        "relaybot",
    ]
    scale = next(one for one in body["offices"] if one["office"] == "scale")
    assert scale == {"office": "scale", "capacity": 4, "mode": "auto", "occupied": 1}


async def test_the_ledger_in_pages(stage: Stage) -> None:
    for number in range(1, 5):
        await note(stage, number)
    _, last = await stage.get("/api/ledger?limit=2")
    assert [row["seq"] for row in last["rows"]] == [4, 5]
    _, after = await stage.get("/api/ledger?after=2&limit=2")
    assert [row["body"] for row in after["rows"]] == [{"number": 2}, {"number": 3}]


async def note(stage: Stage, number: int) -> None:
    now = stage.handles.world.clock.now()
    await stage.store.tx(lambda tx: tx.ledger.append("note", "shop", {"number": number}, now))


async def test_the_newest_look_at_the_gateway_is_shown(stage: Stage) -> None:
    sample = GatewaySample(monotonic_s=1.0, endpoints=(), requests=7, waiting=2)
    await stage.server.close()
    stage.handles = replace(stage.handles, sample=lambda: sample)
    async with served(stage):
        body: Any = (await stage.get("/api/status"))[1]
        assert (body["gateway"]["requests"], body["gateway"]["waiting"]) == (7, 2)


OBSERVING = ReefPolicy(offices={Office.HEAL: OfficePolicy(capacity=1, mode=OfficeMode.OBSERVE)})


async def test_what_was_only_observed_is_told_with_its_end(tmp_path: Path) -> None:
    async with web_stage(tmp_path, reef=OBSERVING) as stage:
        _, body = await stage.get("/api/dreams/would")
        assert body == {"would": [], "summary": "nothing would have been done"}
        await open_case(stage, 1)
        made = await stage.suggest()
        assert await stage.suggest() == made, "written down once"
        _, body = await stage.get("/api/dreams/would?since=1h")
        [one] = body["would"]
        assert (one["id"], one["target"], one["symptom"], one["verb"]) == (
            made, "shop/1", "hang", "restart",
        )  # fmt: skip
        assert (one["ending"], one["dream"]) == ("open", "dream-1")
        assert one["record"] == {"words": "no record", "known": 0, "worked": 0, "median_s": None}
        assert body["summary"] == "1 would-be action: 1 still open"
        assert (await stage.get("/api/dreams/would?since=0s"))[1]["would"] == []


async def test_a_would_be_action_outlives_its_dream(tmp_path: Path) -> None:
    async with web_stage(tmp_path, reef=OBSERVING) as stage:
        await stage.suggest()
        _, body = await stage.get("/api/dreams/would")
        assert body["would"][0]["ending"] == "unknown"


@pytest.mark.parametrize("since", ["soon", "7", "999999999d", "-1d", ""])
async def test_a_wrong_time_to_look_back_is_refused(stage: Stage, since: str) -> None:
    status, problem = await stage.get(f"/api/dreams/would?since={since}")
    assert (status, problem["mend"][:14]) == (422, "such as: since")
