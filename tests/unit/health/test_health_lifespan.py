"""Startup and shutdown work whatever the wrapped application makes of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from health_asgi_calls import Lifespan, call

from dreamnet.health import Health


async def raises_at_once(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http", "no lifespan here"


async def raises_after_receiving(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    message = "no lifespan here"
    raise RuntimeError(message)


async def returns_at_once(scope: Any, receive: Any, send: Any) -> None:
    return


async def speaks_it(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "lifespan.startup"
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})


@pytest.mark.parametrize(
    "app", [raises_at_once, raises_after_receiving, returns_at_once, speaks_it, None]
)
async def test_every_app_starts_and_stops(app: Any) -> None:
    health = Health("shop")
    lifespan = Lifespan(health.wrap(app) if app else health.asgi())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifespan.run())
        assert await lifespan.exchange("lifespan.startup") == "lifespan.startup.complete"
        assert health.lifecycle.heartbeat._loop is asyncio.get_running_loop()
        assert await lifespan.exchange("lifespan.shutdown") == "lifespan.shutdown.complete"
    assert health.lifecycle.is_draining
    assert health.lifecycle.heartbeat._loop is None


async def test_a_failed_startup_is_passed_on() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})
        message = "no"
        raise RuntimeError(message)

    lifespan = Lifespan(Health("shop").wrap(fails))
    running = asyncio.gather(lifespan.run(), return_exceptions=True)
    assert await lifespan.exchange("lifespan.startup") == "lifespan.startup.failed"
    (error,) = await running
    assert isinstance(error, RuntimeError)
    assert lifespan.sent == ["lifespan.startup.failed"]


async def test_readiness_during_startup_does_not_complete_the_start() -> None:
    go = asyncio.Event()

    async def slow_start(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await go.wait()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    health = Health("shop")
    wrapped = health.wrap(slow_start)
    lifespan = Lifespan(wrapped)
    running = asyncio.gather(lifespan.run(), lifespan.exchange("lifespan.startup"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await call(wrapped, "/health/startup")).code == 503
    go.set()
    while "lifespan.startup.complete" not in lifespan.sent:
        await asyncio.sleep(0)
    assert (await call(wrapped, "/health/startup")).code == 200
    assert await lifespan.exchange("lifespan.shutdown") == "lifespan.shutdown.complete"
    await running


async def test_a_second_start_begins_afresh() -> None:
    health = Health("shop")
    for _ in range(2):
        wrapped = health.wrap(speaks_it)
        lifespan = Lifespan(wrapped)
        running = asyncio.gather(lifespan.run())
        await lifespan.exchange("lifespan.startup")
        assert (await call(wrapped, "/health/ready")).code == 200
        await lifespan.exchange("lifespan.shutdown")
        await running
