"""A small shop as an ASGI service: products, carts and orders in SQLite, with health endpoints.

Run it with `python -m uvicorn shop:app --port $PORT`, or with `python shop.py --port 8000`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from shop_faults import ErrorSwitch, crash_if_asked
from shop_orders import BadOrder, Line, read_lines
from shop_page import page
from shop_store import Busy, KeyReused, NotInStock, Store
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from dreamnet.health import Health, HealthMiddleware, sql_database

# Readiness fails when the database stays locked for longer than this.
WRITE_CHECK_LIMIT_S = 0.3
# How long readiness is seen to fail after SIGTERM before the server stops accepting.
DRAIN_S = 1.0
LARGEST_BODY_BYTES = 64 * 1024

log = logging.getLogger("shop")


async def home(request: Request) -> Response:
    """The page a person sees."""
    return HTMLResponse(page(await _store(request).products()))


async def products(request: Request) -> Response:
    """Everything on sale."""
    return JSONResponse({"products": await _store(request).products()})


async def product(request: Request) -> Response:
    """One product."""
    found = await _store(request).product(request.path_params["id"])
    if found is None:
        raise HTTPException(404, "there is no such product; GET /products lists them")
    return JSONResponse(found)


async def cart(request: Request) -> Response:
    """A cart's lines; an unknown cart is an empty one."""
    return JSONResponse({"lines": await _store(request).cart(request.path_params["id"])})


async def fill_cart(request: Request) -> Response:
    """Replace a cart's lines; doing it twice is the same as once."""
    lines = await _lines(request)
    await _store(request).fill_cart(request.path_params["id"], lines)
    return JSONResponse({"lines": [line.to_json() for line in lines]})


async def place_order(request: Request) -> Response:
    """Place an order; with an Idempotency-Key the same request again gives the same order."""
    lines = await _lines(request)
    key = request.headers.get("idempotency-key") or None
    order, is_new = await _store(request).place_order(lines, key)
    headers = {"Location": f"/orders/{order['id']}"}
    return JSONResponse(order, status_code=201 if is_new else 200, headers=headers)


async def order(request: Request) -> Response:
    """One order."""
    found = await _store(request).order(request.path_params["id"])
    if found is None:
        raise HTTPException(404, "there is no such order")
    return JSONResponse(found)


def _store(request: Request) -> Store:
    return request.app.state.store


async def _lines(request: Request) -> list[Line]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            raise HTTPException(413, f"a body has at most {LARGEST_BODY_BYTES} bytes")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:  # ValueError: also wrong UTF-8
        raise BadOrder(f"the body is not JSON: {error}") from error
    return read_lines(content)


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    body: dict[str, Any] = {"status": status, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, error.detail, error.headers)


async def _on_busy(_: Request, error: Exception) -> Response:
    return _problem(503, str(error), {"Retry-After": "1"})


async def _on_bad_order(_: Request, error: Exception) -> Response:
    return _problem(422, str(error))


async def _on_conflict(_: Request, error: Exception) -> Response:
    return _problem(409, str(error))


def routes() -> list[Route]:
    """The business of the shop."""
    return [
        Route("/", home),
        Route("/products", products),
        Route("/products/{id:int}", product),
        Route("/carts/{id}", cart),
        Route("/carts/{id}", fill_cart, methods=["PUT"]),
        Route("/orders", place_order, methods=["POST"]),
        Route("/orders/{id}", order),
    ]


def create_app(environment: Mapping[str, str]) -> HealthMiddleware:
    """The service, health included, as its environment variables describe it."""
    crash_if_asked(environment)
    path = Path(environment.get("SHOP_DATABASE", "shop.db"))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with Store(path) as store:
            app.state.store = store
            yield

    middleware = [Middleware(ErrorSwitch)] if environment.get("SHOP_FAULTS") == "1" else []
    shop = Starlette(
        routes=routes(),
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: _on_http_error,
            Busy: _on_busy,
            BadOrder: _on_bad_order,
            KeyReused: _on_bad_order,
            NotInStock: _on_conflict,
        },
    )
    return _health(path).wrap(shop)


def _health(path: Path) -> Health:
    health = Health("shop")
    database = sql_database(
        lambda: sqlite3.connect(path, timeout=WRITE_CHECK_LIMIT_S, isolation_level=None),
        query="BEGIN IMMEDIATE",  # a shop that cannot write takes no orders
    )
    health.add(database, critical=True, timeout=2 * WRITE_CHECK_LIMIT_S, max_age=0.2)
    health.drain_on_sigterm(DRAIN_S)
    return health


app = create_app(os.environ)


def main() -> None:
    """Serve on --port, or on $PORT."""
    parser = argparse.ArgumentParser("shop", description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    options = parser.parse_args()
    uvicorn.run(app, host="127.0.0.1", port=options.port, access_log=False)


if __name__ == "__main__":
    main()
