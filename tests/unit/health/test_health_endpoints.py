"""The endpoints answer what probes ask and tell strangers nothing."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

import pytest
from health_asgi_calls import Got, call, eventually

from dreamnet.health import Check, Health, failed, passed, warned

ALL_PATHS = ["/health", "/health/live", "/health/ready", "/health/startup", "/ready"]


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"the app"})


def with_check(answer: Any = None, **settings: Any) -> Health:
    critical = settings.pop("critical", True)
    health = Health("shop", **settings)
    health.add(Check("db", lambda: answer, critical=critical, max_age=0))
    return health


async def ask(health: Health, path: str = "/health/ready", **more: Any) -> Got:
    return await call(health.wrap(app), path, **more)


@pytest.mark.parametrize("path", ALL_PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_well_service_answers_200_everywhere(path: str, method: str) -> None:
    got = await ask(with_check(), path, method=method)
    assert got.code == 200
    assert got.headers["content-type"] == "application/health+json"
    assert got.headers["cache-control"] == "no-store"
    if method == "HEAD":
        assert got.content == b""
        assert int(got.headers["content-length"]) > 0
    else:
        assert int(got.headers["content-length"]) == len(got.content)
        assert got.body["status"] == "pass"


@pytest.mark.parametrize("path", ALL_PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(path: str, method: str) -> None:
    got = await ask(with_check(), path, method=method)
    assert (got.code, got.headers["allow"]) == (405, "GET, HEAD")
    assert got.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/health/other", "/healthy", "/health/", "/x/health", ""])
async def test_other_paths_reach_the_app(path: str) -> None:
    got = await ask(with_check(), path)
    assert (got.code, got.content) == (299, b"the app")


async def test_a_critical_failure_takes_readiness_but_not_life() -> None:
    health = with_check(failed("down"))
    codes = {path: (await ask(health, path)).code for path in ALL_PATHS}
    assert codes == dict.fromkeys(ALL_PATHS, 503) | {"/health/live": 200}


@pytest.mark.parametrize(("answer", "critical"), [(failed("down"), False), (warned("low"), True)])
async def test_lesser_trouble_warns_and_keeps_traffic(answer: Any, critical: bool) -> None:
    got = await ask(with_check(answer, critical=critical))
    assert (got.code, got.body) == (200, {"status": "warn"})


async def test_strangers_see_the_status_only() -> None:
    health = with_check(failed("db.internal is down"), release="r1")
    for path in ("/health", "/health/ready", "/health/startup", "/ready"):
        assert (await ask(health, path)).body == {"status": "fail"}
    health.draining()
    assert (await ask(health)).body == {"status": "fail"}


async def test_liveness_shows_the_lag_and_nothing_of_the_service() -> None:
    body = (await ask(with_check(failed("down"), release="r1"), "/health/live")).body
    assert set(body) == {"status", "checks"}
    (entry,) = body["checks"]["event-loop:lag"]
    assert entry["observedUnit"] == "s"
    assert 0 <= entry["observedValue"] < 2


async def test_details_follow_the_draft() -> None:
    health = with_check(passed("ignored", 12.5, "%"), details=True, release="r1")
    body = (await ask(health)).body
    assert (body["status"], body["serviceId"], body["releaseId"]) == ("pass", "shop", "r1")
    (entry,) = body["checks"]["db:responseTime"]
    assert datetime.fromisoformat(entry.pop("time")).utcoffset() is not None
    assert entry == {
        "componentType": "component",
        "status": "pass",
        "critical": True,
        "observedValue": 12.5,
        "observedUnit": "%",
        "output": "ignored",
    }


async def test_combined_shows_the_loop_and_the_checks() -> None:
    body = (await ask(with_check(details=True), "/health")).body
    assert set(body["checks"]) == {"event-loop:lag", "db:responseTime"}


async def test_a_predicate_decides_who_sees_details() -> None:
    health = with_check(details=lambda scope: (b"authorization", b"x") in scope["headers"])
    assert "checks" not in (await ask(health)).body
    assert "checks" in (await ask(health, headers=[(b"authorization", b"x")])).body


async def test_a_broken_predicate_shows_nothing() -> None:
    health = with_check(details=lambda scope: scope["nonsense"])
    assert (await ask(health)).body == {"status": "pass"}


async def test_prefix_and_alias_can_be_moved() -> None:
    health = with_check(prefix="/internal/health/", ready_alias=None)
    assert (await ask(health, "/internal/health/live")).code == 200
    assert (await ask(health, "/internal/health")).code == 200
    assert (await ask(health, "/health/live")).code == 299
    assert (await ask(health, "/ready")).code == 299


def test_paths_without_slash_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="start with a slash"):
        Health("shop", prefix="health")


async def test_a_root_path_is_taken_off() -> None:
    assert (await ask(with_check(), "/api/health/live", root_path="/api")).code == 200
    assert (await ask(with_check(), "/health/live", root_path="/api")).code == 200
    assert (await ask(with_check(), "/apix/health/live", root_path="/api")).code == 299


async def test_the_app_alone_answers_its_paths_and_404() -> None:
    alone = with_check().asgi()
    assert (await call(alone, "/health/ready")).code == 200
    got = await call(alone, "/other")
    assert (got.code, got.headers["content-type"]) == (404, "application/problem+json")
    mounted = with_check().asgi(prefix="")
    for path in ("/m", "/m/", "/m/live", "/m/ready", "/m/startup"):
        assert (await call(mounted, path, root_path="/m")).code == 200


async def test_a_websocket_passes_through_and_is_closed_by_the_app_alone() -> None:
    seen: list[str] = []

    async def websocket_app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    async def send(message: Any) -> None:
        seen.append(message["type"])

    scope = {"type": "websocket", "path": "/health/live"}
    await with_check().wrap(websocket_app)(scope, None, send)  # type: ignore[arg-type]  # not used
    await with_check().asgi()(scope, None, send)  # type: ignore[arg-type]  # not used
    assert seen == ["/health/live", "websocket.close"]


async def test_draining_takes_readiness_at_once() -> None:
    health = with_check(details=True)
    assert (await ask(health)).code == 200
    health.draining()
    codes = {path: (await ask(health, path)).code for path in ALL_PATHS}
    assert codes == {
        "/health": 503,
        "/health/live": 200,
        "/health/ready": 503,
        "/health/startup": 200,
        "/ready": 503,
    }
    assert (await ask(health)).body["notes"] == ["draining"]


async def test_draining_during_slow_checks_still_fails() -> None:
    health = Health("shop")
    asked, go = asyncio.Event(), asyncio.Event()

    @health.check("slow", timeout=5)
    async def slow() -> None:
        asked.set()
        await go.wait()

    waiting = asyncio.gather(ask(health))
    await asked.wait()
    health.draining()
    go.set()
    assert (await waiting)[0].code == 503


async def test_startup_passes_after_the_first_readiness_and_stays() -> None:
    answers: list[Any] = [failed("not yet")]
    health = Health("shop")
    health.add(Check("db", lambda: answers[0], max_age=0))
    assert (await ask(health, "/health/startup")).code == 503
    answers[0] = None
    assert (await ask(health, "/health/startup")).code == 200
    answers[0] = failed("later")
    assert (await ask(health, "/health/startup")).code == 200
    assert (await ask(health, "/health/ready")).code == 503


async def test_started_may_be_declared() -> None:
    health = with_check(failed("down"))
    health.started()
    assert (await ask(health, "/health/startup")).code == 200


async def test_with_wait_for_started_nothing_else_starts_it() -> None:
    health = with_check(wait_for_started=True)
    assert (await ask(health, "/health/ready")).code == 503
    assert (await ask(health, "/health/startup")).code == 503
    assert (await ask(health, "/health/live")).code == 200
    health.started()
    assert (await ask(health, "/health/ready")).code == 200
    assert (await ask(health, "/health/startup")).code == 200


async def test_liveness_fails_while_the_loop_is_late_and_recovers() -> None:
    health = Health("shop", lag_limit=0.2)
    wrapped = health.wrap(app)
    assert (await call(wrapped, "/health/live")).code == 200
    time.sleep(0.6)  # blocks the loop on purpose
    got = await call(wrapped, "/health/live")
    assert got.code == 503
    assert got.body["checks"]["event-loop:lag"][0]["observedValue"] > 0.2

    async def is_well() -> bool:
        return (await call(wrapped, "/health/live")).code == 200

    await eventually(is_well)


async def test_liveness_touches_no_dependency() -> None:
    health, runs = Health("shop"), []
    health.add(Check("db", lambda: runs.append(1)))
    await ask(health, "/health/live")
    assert runs == []
