"""Three lines are enough in FastAPI and Starlette."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from health_asgi_calls import Lifespan, call
from starlette.applications import Starlette
from starlette.routing import Mount

from dreamnet.health import Health


async def test_fastapi_wrapped() -> None:
    api = FastAPI()

    @api.get("/items")
    def items() -> list[int]:
        return [1]

    app = Health("shop").wrap(api)
    assert (await call(app, "/items")).body == [1]
    assert (await call(app, "/health/ready")).body == {"status": "pass"}
    assert (await call(app, "/nothing")).code == 404


async def test_fastapi_add_middleware_with_its_own_lifespan() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> Any:
        events.append("up")
        yield
        events.append("down")

    api, health = FastAPI(lifespan=lifespan), Health("shop")
    api.add_middleware(health.wrap)
    driver = Lifespan(api)
    running = asyncio.gather(driver.run())
    assert await driver.exchange("lifespan.startup") == "lifespan.startup.complete"
    assert (await call(api, "/health")).code == 200
    assert await driver.exchange("lifespan.shutdown") == "lifespan.shutdown.complete"
    await running
    assert events == ["up", "down"]
    assert health.lifecycle.is_draining


async def test_starlette_mount() -> None:
    health = Health("shop")
    app = Starlette(
        routes=[
            Mount("/health", health.asgi(prefix="")),
            Mount("/internal", health.asgi()),
        ]
    )
    for path in ("/health/live", "/health/ready", "/health/", "/internal/health/live"):
        assert (await call(app, path)).code == 200, path
