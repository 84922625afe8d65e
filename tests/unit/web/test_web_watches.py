"""What the API shows of targets that are only watched, and what it refuses to do to them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr
from web_stage import Stage

from dreamnet.model.address import Address
from dreamnet.model.facts import BeatOutcome, HeartbeatTold, WatchAnswered
from dreamnet.model.watches import StatusRange, TcpWatch, UrlWatch, WatchFailure, WatchName

BANK = UrlWatch(
    name=WatchName("bank"),
    url=SecretStr("https://me:s3cret@bank.example/?key=t0ken"),
    status=StatusRange(low=200, high=399),
    certificate_days=14,
)
TILL = TcpWatch(name=WatchName("till"), address=Address(host="10.0.0.7", port=80))


@pytest.fixture
def watched(stage: Stage) -> Stage:
    world = stage.handles.world
    world.outside.watch([BANK, TILL])
    now = world.clock.now()
    world.apply(
        WatchAnswered(
            at=now,
            watch=BANK.name,
            output="status 200",
            took_ms=12.5,
            certificate_ends=now + timedelta(days=13, hours=1),
        )
    )
    return stage


async def test_status_shows_them_without_credentials(watched: Stage) -> None:
    _, body = await watched.get("/api/status")
    bank, till = body["watches"]
    assert (bank["name"], bank["state"], bank["output"]) == ("bank", "well", "status 200")
    assert (bank["certificate_days"], bank["certificate_expiring"]) == (13, True)
    assert (bank["took_ms"], bank["failure"]) == (12.5, None)
    assert bank["what"] == "https://***@bank.example/?key=***"
    assert (till["state"], till["took_ms"], till["certificate_days"]) == ("unknown", None, None)
    assert [one["name"] for one in body["services"]] == ["shop", "mail"]
    assert not any(secret in str(body) for secret in ("s3cret", "t0ken"))


async def test_metrics_have_them(watched: Stage) -> None:
    world = watched.handles.world
    for second in (1, 2):
        world.apply(
            WatchAnswered(
                at=world.clock.now() + timedelta(seconds=second),
                watch=TILL.name,
                failure=WatchFailure.REFUSED,
            )
        )
    async with watched.client.get(watched.url + "/metrics") as answer:
        text = await answer.text()
    assert 'dreamnet_watch_up{watch="bank"} 1.0' in text
    assert 'dreamnet_watch_up{watch="till"} 0.0' in text
    assert 'dreamnet_watch_seconds{watch="bank"} 0.0125' in text
    assert 'dreamnet_watch_certificate_seconds{watch="bank"} 1.1' in text
    assert 'dreamnet_watch_certificate_seconds{watch="till"}' not in text


@pytest.mark.parametrize(
    "asked",
    [
        {"action": "restart", "service": "bank"},
        {"action": "restart", "service": "bank", "slot": 1},
        {"action": "scale", "service": "bank", "replicas": 2},
        {"action": "status", "service": "bank"},
    ],
)
async def test_nobody_does_anything_to_them(watched: Stage, asked: dict[str, object]) -> None:
    status, body = await watched.ask("deploykeeper", **asked)
    assert status == 409
    assert "bank is only watched" in body["detail"]
    assert "dreamnet status" in body["mend"]
    assert await watched.store.read(lambda tx: tx.actions.recent(10)) == []


async def test_they_have_no_logs_and_are_no_services(watched: Stage) -> None:
    for path in ("/api/services/bank", "/api/logs/bank"):
        status, body = await watched.get(path)
        assert (status, "only watched" in body["detail"]) == (409, True), path


async def test_the_heartbeat_is_shown_without_its_address(stage: Stage) -> None:
    assert (await stage.get("/api/status"))[1]["heartbeat"] is None
    world = stage.handles.world
    world.outside.beat(timedelta(minutes=1))
    shown = (await stage.get("/api/status"))[1]["heartbeat"]
    assert (shown["state"], shown["age_s"], shown["interval_s"]) == ("unknown", None, 60.0)
    now = world.clock.now()
    world.apply(HeartbeatTold(at=now, outcome=BeatOutcome.DELIVERED))
    world.apply(HeartbeatTold(at=now, outcome=BeatOutcome.UNDELIVERED, output="refused"))
    shown = (await stage.get("/api/status"))[1]["heartbeat"]
    assert (shown["state"], shown["output"]) == ("undelivered", "refused")
    assert shown["age_s"] >= 0
    async with stage.client.get(stage.url + "/metrics") as answer:
        assert "dreamnet_heartbeat_age_seconds " in await answer.text()
