"""The example shop, as its customers and its gateway meet it."""

from __future__ import annotations

import asyncio
import signal
import time

from shop_process import Shop

from dreamnet.testing.faults import answering_errors, crashing_at_start, locked_database

LINES = {"lines": [{"product": 1, "quantity": 2}, {"product": 3, "quantity": 1}]}


async def test_products_are_listed_and_shown(shops):
    shop = await shops()
    status, body = await shop.get("/products")
    assert (status, len(body["products"])) == (200, 5)
    assert await shop.get("/products/1") == (200, body["products"][0])
    assert (await shop.get("/products/99"))[0] == 404
    assert (await shop.get("/products/99999999999999999999999"))[0] == 404
    status, page = await shop.get("/")
    assert status == 200
    assert "<h1>Shop" in page


async def test_an_order_is_placed_once_for_one_key(shops):
    shop = await shops()
    status, placed = await shop.send("POST", "/orders", LINES, Idempotency_Key="k")
    assert (status, placed["total_cents"]) == (201, 2 * 2450 + 3200)
    assert await shop.send("POST", "/orders", LINES, Idempotency_Key="k") == (200, placed)
    assert await shop.get(f"/orders/{placed['id']}") == (200, placed)
    other = {"lines": [{"product": 2, "quantity": 1}]}
    assert (await shop.send("POST", "/orders", other, Idempotency_Key="k"))[0] == 422


async def test_the_same_key_at_once_at_two_replicas_gives_one_order(shops):
    first, second = await asyncio.gather(shops(), shops())
    answers = await asyncio.gather(
        *(shop.send("POST", "/orders", LINES, Idempotency_Key="k") for shop in (first, second) * 4)
    )
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({body["id"] for _, body in answers}) == 1


async def test_orders_without_a_key_are_all_new(shops):
    shop = await shops()
    _, first = await shop.send("POST", "/orders", LINES)
    _, second = await shop.send("POST", "/orders", LINES)
    assert first["id"] != second["id"]


async def test_a_cart_holds_what_was_put(shops):
    shop = await shops()
    assert await shop.get("/carts/mine") == (200, {"lines": []})
    assert await shop.send("PUT", "/carts/mine", LINES) == (200, LINES)
    assert await shop.get("/carts/mine") == (200, LINES)


async def test_wrong_orders_are_refused_with_a_reason(shops):
    shop = await shops()
    wrong = [
        None,
        [],
        {"lines": []},
        {"lines": [{"product": 1}]},
        {"lines": [{"product": True, "quantity": 1}]},
        {"lines": [{"product": 1, "quantity": 0}]},
        {"lines": [{"product": 1, "quantity": 1}, {"product": 1, "quantity": 1}]},
    ]
    for body in wrong:
        status, problem = await shop.send("POST", "/orders", body)
        assert status == 422, body
        assert problem["detail"]
    unknown = {"lines": [{"product": 77, "quantity": 1}]}
    assert (await shop.send("POST", "/orders", unknown))[0] == 409
    for content, expected in ((b"[" * 60_000, 422), (b"\xff", 422), (b"x" * 100_000, 413)):
        async with shop.client.post("/orders", data=content) as answer:
            assert answer.status == expected


async def test_a_locked_database_takes_readiness_and_writes_but_not_reads(shops):
    shop = await shops()
    assert (await shop.get("/health/ready"))[0] == 200
    async with locked_database(shop.database):
        await asyncio.sleep(0.25)  # longer than readiness is cached
        began = time.monotonic()
        assert (await shop.get("/health/ready"))[0] == 503
        assert time.monotonic() - began < 1
        write = asyncio.ensure_future(shop.send("POST", "/orders", LINES))
        for _ in range(5):
            began = time.monotonic()
            assert (await shop.get("/products"))[0] == 200
            assert time.monotonic() - began < 0.5
        assert (await shop.get("/health/live"))[0] == 200
        status, problem = await write
        assert status == 503, problem
    assert (await shop.send("POST", "/orders", LINES))[0] == 201
    async with asyncio.timeout(5):
        while (await shop.get("/health/ready"))[0] != 200:
            await asyncio.sleep(0.05)


async def test_a_replica_starts_while_the_database_is_locked(shops):
    shop = await shops()
    async with locked_database(shop.database):
        late = await shops()
        assert (await late.get("/products"))[0] == 200


async def test_asked_to_fail_it_fails_only_in_business_and_only_there(shops):
    bad, good = await shops(SHOP_FAULTS="1"), await shops(SHOP_FAULTS="1")
    async with answering_errors(bad.url):
        assert (await bad.get("/products"))[0] == 500
        assert (await bad.get("/health/ready"))[0] == 200
        assert (await good.get("/products"))[0] == 200
    assert (await bad.get("/products"))[0] == 200
    assert (await bad.send("POST", "/faults/errors", {"on": "yes"}))[0] == 422


async def test_without_permission_there_is_no_fault_switch(shops):
    shop = await shops()
    assert (await shop.send("POST", "/faults/errors", {"on": True}))[0] == 404


async def test_the_crash_file_ends_it_at_start_with_code_3(tmp_path):
    marker = tmp_path / "marks" / "crash"
    shop = Shop(tmp_path / "shop.db", {"SHOP_CRASH_FILE": str(marker)})
    async with crashing_at_start(marker):
        await shop.spawn()
        _, errors = await asyncio.wait_for(shop.process.communicate(), 20)
    assert shop.process.returncode == 3
    assert b"SHOP_CRASH_FILE" in errors
    assert not marker.exists()


async def test_sigterm_fails_readiness_first_and_then_ends(shops):
    shop = await shops()
    assert (await shop.get("/health/ready"))[0] == 200
    shop.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(0.9):
        while (await shop.get("/health/ready"))[0] != 503:
            await asyncio.sleep(0.02)
    assert (await shop.get("/products"))[0] == 200
    await asyncio.wait_for(shop.process.wait(), 10)
    assert shop.process.returncode in (0, -signal.SIGTERM)
