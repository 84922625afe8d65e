"""What users lose when instances, the gateway's parts or the node die: figures on real Envoy."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from gateway_fixtures import World, backend, endpoint, table
from gateway_world import Client, until

from dreamnet.drivers.gateway.base import SETTLE
from dreamnet.drivers.gateway.envoy import EnvoyGateway
from dreamnet.model.routes import EndpointHealth, Waiting
from dreamnet.model.services import Route

REPLACEMENTS = 20


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World.at(tmp_path / "gateway")
    yield made
    await made.close()


async def waiting(gateway: EnvoyGateway, count: int) -> bool:
    return (await gateway.sample()).waiting == count


def asks(client: Client, *arguments: str, **options) -> asyncio.Task[tuple[int, str]]:
    return asyncio.get_running_loop().create_task(client.ask(*arguments, **options))


async def test_replacing_instances_under_load_loses_nothing(world: World):
    gateway = await world.open()
    old = await world.servers.start("first")
    await gateway.apply(table(backend(old)))
    async with world.client().load(150, "GET", "POST") as load:
        for number in range(REPLACEMENTS):
            new = await world.servers.start(f"n{number}")
            await gateway.apply(table(backend(old, new)))
            await gateway.apply(table(backend(new)))
            await asyncio.sleep(SETTLE.total_seconds())
            old.send(signal.SIGTERM)
            old = new
    assert load.failed("GET") == 0, load
    assert load.failed("POST") == 0, load
    assert len(load.bodies) == REPLACEMENTS + 1


async def test_the_death_of_one_of_two_loses_no_get(world: World):
    gateway = await world.open()
    one, two = await world.servers.start("one"), await world.servers.start("two")
    await gateway.apply(table(backend(one, two)))
    async with world.client().load(200, "GET", path="/?s=0.02") as load:
        await asyncio.sleep(0.3)
        one.kill()
        await asyncio.sleep(0.5)
        await gateway.apply(table(backend(two)))
        await asyncio.sleep(0.3)
    assert load.failed("GET") == 0, load
    assert load.slowest_s < 0.5


async def test_the_death_of_the_only_one_loses_no_get_and_only_posts_in_flight(world: World):
    gateway = await world.open()
    server = await world.servers.start("old")
    await gateway.apply(table(backend(server)))
    async with world.client().load(150, "GET", "POST", path="/?s=0.01") as load:
        await asyncio.sleep(0.3)
        killed = asyncio.get_running_loop().time()
        server.kill()
        await gateway.apply(table(backend()))
        await asyncio.sleep(1)
        new = await world.servers.start("new")
        await gateway.apply(table(backend(new)))
        outage_s = asyncio.get_running_loop().time() - killed
        await asyncio.sleep(0.3)
    assert load.failed("GET") == 0, load
    assert load.failed("POST") <= 10, load
    assert load.slowest_s < outage_s + 3  # far below the hold; a busy machine serves slowly
    assert load.bodies["new"] > 100


async def test_nobody_tells_the_gateway_and_still_no_get_is_lost(world: World):
    """The node is dead, too: the table still names the dead instance when the next node comes."""
    gateway = await world.open()
    server = await world.servers.start("old")
    await gateway.apply(table(backend(server)))
    await gateway.close(stop=False)
    async with world.client().load(100, "GET", path="/?s=0.01") as load:
        await asyncio.sleep(0.3)
        server.kill()
        await asyncio.sleep(2)
        second = await world.open()
        await second.apply(table(backend()))
        new = await world.servers.start("new")
        await second.apply(table(backend(new)))
        await asyncio.sleep(0.3)
    assert load.failed("GET") == 0, load
    assert load.bodies["new"] > 100


async def test_the_instance_comes_back_on_its_port_while_the_node_is_dead(world: World):
    gateway = await world.open()
    server = await world.servers.start("old")
    await gateway.apply(table(backend(server)))
    await gateway.close(stop=False)
    async with world.client().load(100, "GET") as load:
        await asyncio.sleep(0.2)
        server.kill()
        await asyncio.sleep(1.5)
        await world.servers.start("new", port=server.port)
        await asyncio.sleep(1)
    assert load.failed("GET") == 0, load
    assert load.bodies["new"] > 100


async def test_the_hold_has_a_limit_and_the_client_is_told_once(world: World):
    gateway = await world.open(hold_s=0.6)
    await gateway.apply(table(backend()))
    client = world.client()
    start = asyncio.get_running_loop().time()
    async with client.session.get(client.base) as answer:
        assert answer.status == 503
        assert answer.headers["retry-after"]
        assert not [name for name in answer.headers if name.lower().startswith("x-")]
        assert answer.content_type == "application/problem+json"
    assert 0.5 < asyncio.get_running_loop().time() - start < 1.2


async def test_a_failing_service_is_answered_at_once(world: World):
    gateway = await world.open()
    await gateway.apply(table(backend(waiting=Waiting.FAIL)))
    start = asyncio.get_running_loop().time()
    client = world.client()
    assert {(await client.ask())[0] for _ in range(10)} == {503}
    assert asyncio.get_running_loop().time() - start < 1
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    assert (await client.ask())[0] == 200  # its own refusals did not shut the room or the service


async def test_refusals_do_not_shut_the_room(world: World):
    """Outlier detection sees the room as an endpoint, but its answers are no errors."""
    gateway = await world.open()
    servers = [await world.servers.start(name) for name in ("a", "b")]
    down = [endpoint(server, EndpointHealth.UNHEALTHY) for server in servers]
    await gateway.apply(table(backend(*down, waiting=Waiting.FAIL)))
    client = world.client()
    assert {(await client.ask("/", "POST"))[0] for _ in range(12)} == {503}
    await gateway.apply(table(backend(*down)))
    asked = asks(client)
    await until(lambda: waiting(gateway, 1))
    await gateway.apply(table(backend(*servers)))
    assert (await asked)[0] == 200


async def test_the_hold_ends_before_a_short_timeout(world: World):
    gateway = await world.open()
    short = Route(host="shop.localhost", timeout=timedelta(seconds=1))
    await gateway.apply(table(backend(route=short)))
    status, text = await world.client().ask()
    assert status == 503
    assert "no instance" in text


async def test_an_error_of_the_service_itself_reaches_the_client(world: World):
    gateway = await world.open()
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    client = world.client()
    for _ in range(8):
        assert await client.ask("/x?code=500") == (500, "a /x 0 shop")
        assert await client.ask("/x?code=500", "POST") == (500, "a /x 0 shop")
    sample = await gateway.sample()
    assert sample.endpoints[0].requests <= 8 * 3 + 8
    assert (await client.ask())[0] == 200  # the only instance is never ejected


async def test_one_failing_replica_of_two_is_not_seen(world: World):
    gateway = await world.open()
    good, bad = await world.servers.start("good"), await world.servers.start("bad", "fail")
    await gateway.apply(table(backend(good, bad)))
    async with world.client().load(100, "GET") as load:
        await asyncio.sleep(1.5)
    assert load.failed("GET") == 0, load
    assert load.slowest_s < 0.5


async def test_one_healthy_of_three_takes_everything(world: World):
    gateway = await world.open()
    servers = [await world.servers.start(name) for name in ("a", "b", "c")]
    down = [endpoint(server, EndpointHealth.UNHEALTHY) for server in servers[1:]]
    await gateway.apply(table(backend(servers[0], *down)))
    held = (await gateway.sample()).waiting
    async with world.client().load(100, "GET") as load:
        await asyncio.sleep(0.3)
    assert load.bodies == {"a": load.total("GET")}
    assert held == 0


@pytest.mark.parametrize("part", ["envoy", "room"])
async def test_a_killed_part_serves_again_soon(world: World, part):
    gateway = await world.open()
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    client = world.client()
    deaths = gateway.watch()
    start = asyncio.get_running_loop().time()
    os.kill(world.pid(part), signal.SIGKILL)
    dead, _ = await anext(deaths)
    await gateway.restart(dead)
    assert (await client.ask())[0] == 200
    assert asyncio.get_running_loop().time() - start < 1.5  # 0.2 to 0.3 s on an idle machine


async def test_a_dead_room_costs_no_request_that_does_not_need_it(world: World):
    gateway = await world.open()
    one, two = await world.servers.start("one"), await world.servers.start("two")
    await gateway.apply(table(backend(one, two)))
    os.kill(world.pid("room"), signal.SIGKILL)
    async with world.client().load(100, "GET") as load:
        await asyncio.sleep(0.2)
        one.kill()
        await asyncio.sleep(0.3)
    assert load.failed("GET") == 0, load


async def test_a_client_that_gives_up_frees_its_place(world: World):
    gateway = await world.open()
    await gateway.apply(table(backend()))
    client = world.client()
    asked = [asks(client) for _ in range(20)]
    await until(lambda: waiting(gateway, 20))
    for task in asked:
        task.cancel()
    await until(lambda: waiting(gateway, 0))


async def test_a_body_that_fits_waits_and_a_larger_one_is_refused_at_once(world: World):
    gateway = await world.open()
    await gateway.apply(table(backend()))
    client = world.client()
    fits = asks(client, "/", "POST", data=b"x" * 900_000)
    await until(lambda: waiting(gateway, 1))
    status, text = await client.ask("/", "POST", data=io.BytesIO(b"x" * 3_000_000))
    assert status == 503
    assert "cannot wait" in text
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    assert await fits == (200, "a / 900000 shop")


async def test_many_wait_and_all_are_served(world: World):
    gateway = await world.open()
    await gateway.apply(table(backend()))
    client = world.client()
    asked = [asks(client, "/", "POST" if n % 2 else "GET") for n in range(600)]
    await until(lambda: waiting(gateway, 600))
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    assert {status for status, _ in await asyncio.gather(*asked)} == {200}


async def test_a_hanging_try_is_answered_by_another_instance(world: World):
    gateway = await world.open()
    slow, fast = await world.servers.start("slow", "slow"), await world.servers.start("fast")
    hedged = Route(host="shop.localhost", try_timeout=timedelta(milliseconds=150))
    await gateway.apply(table(backend(slow, fast, route=hedged)))
    client = world.client()
    start = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*(client.ask() for _ in range(20)))
    assert {text.split(" ")[0] for _, text in answers} == {"fast"}
    assert asyncio.get_running_loop().time() - start < 2


async def test_a_hedged_request_outlives_the_wait_in_the_room(world: World):
    gateway = await world.open()
    hedged = Route(host="shop.localhost", try_timeout=timedelta(milliseconds=100))
    await gateway.apply(table(backend(route=hedged)))
    client = world.client()
    asked = [asks(client) for _ in range(10)]
    await asyncio.sleep(1.5)
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server, route=hedged)))
    assert {status for status, _ in await asyncio.gather(*asked)} == {200}


async def test_a_hang_of_the_only_one_waits_for_its_successor(world: World):
    gateway = await world.open()
    server = await world.servers.start("old")
    await gateway.apply(table(backend(server)))
    server.send(signal.SIGSTOP)
    await until(lambda: _all_unhealthy(gateway))
    async with world.client().load(50, "GET") as load:
        await asyncio.sleep(1)
        new = await world.servers.start("new")
        await gateway.apply(table(backend(server, new)))
    assert load.failed("GET") == 0, load


async def _all_unhealthy(gateway: EnvoyGateway) -> bool:
    return not any(one.healthy for one in (await gateway.sample()).endpoints)
