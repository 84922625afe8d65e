"""The gateway's contract on real Envoy: routing, tables, rejection, adoption, deaths, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from gateway_fixtures import World, backend, endpoint, table
from gateway_world import until

from dreamnet.drivers.gateway.base import Gateway
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Conflict, Unavailable
from dreamnet.kernel.processes import Identity
from dreamnet.model.routes import Endpoint, EndpointHealth
from dreamnet.model.services import Probe, Route
from dreamnet.testing.gateway import FakeGateway


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World.at(tmp_path / "gateway")
    yield made
    await made.close()


@pytest.fixture(params=["envoy", "fake"])
async def any_gateway(request, world: World) -> Gateway:
    if request.param == "envoy":
        return await world.open()
    gateway = FakeGateway(SystemClock())
    await gateway.open()
    return gateway


def kill(world: World, gateway: Gateway, part: str) -> None:
    if isinstance(gateway, FakeGateway):
        gateway.kill("room" if part == "room" else "gateway")
    else:
        os.kill(world.pid("room" if part == "room" else "envoy"), signal.SIGKILL)


def hang(world: World, gateway: Gateway, part: str) -> None:
    if isinstance(gateway, FakeGateway):
        gateway.hang("room" if part == "room" else "gateway")
    else:
        os.kill(world.pid("room" if part == "room" else "envoy"), signal.SIGSTOP)


async def test_the_same_table_again_changes_nothing(any_gateway: Gateway, world: World):
    server = await world.servers.start("a")
    first = await any_gateway.apply(table(backend(server)))
    again = await any_gateway.apply(table(backend(server)))
    assert first == again
    assert not first.rejected
    other = await any_gateway.apply(table())
    assert other.version != first.version


async def test_a_sample_shows_every_instance(any_gateway: Gateway, world: World):
    server = await world.servers.start("a")
    await any_gateway.apply(table(backend(server)))
    sample = await any_gateway.sample()
    assert [(one.service, one.address) for one in sample.endpoints] == [
        ("shop", f"127.0.0.1:{server.port}")
    ]
    assert sample.endpoints[0].healthy
    assert sample.waiting == 0
    assert sample.room_answers


@pytest.mark.parametrize("part", ["gateway", "room"])
async def test_a_killed_part_is_told_at_once_and_restarted(
    any_gateway: Gateway, world: World, part
):
    server = await world.servers.start("a")
    await any_gateway.apply(table(backend(server)))
    deaths = any_gateway.watch()
    kill(world, any_gateway, part)
    async with asyncio.timeout(1):
        dead, end = await anext(deaths)
    assert (dead, end.signal, end.expected) == (part, signal.SIGKILL, False)
    await any_gateway.restart(part)
    await any_gateway.restart(part)  # alive: nothing happens
    sample = await any_gateway.sample()
    assert sample.room_answers


@pytest.mark.parametrize("part", ["gateway", "room"])
async def test_a_part_that_hangs_answers_nothing_and_is_brought_back(
    any_gateway: Gateway, world: World, part
):
    server = await world.servers.start("a")
    await any_gateway.apply(table(backend(server)))
    assert await any_gateway.answers(part)
    hang(world, any_gateway, part)
    assert any_gateway.runs(part)
    assert not await any_gateway.answers(part)
    await any_gateway.restart(part)
    assert await any_gateway.answers(part)
    sample = await any_gateway.sample()
    assert sample.room_answers


async def test_a_dead_gateway_is_unavailable(any_gateway: Gateway, world: World):
    deaths = any_gateway.watch()
    kill(world, any_gateway, "gateway")
    await anext(deaths)
    with pytest.raises(Unavailable):
        await any_gateway.sample()
    with pytest.raises(Unavailable):
        await any_gateway.apply(table(backend()))


async def test_requests_go_by_host_and_longest_path(world: World):
    gateway = await world.open()
    names = ["shop", "api", "deep", "any", "wild"]
    servers = {name: await world.servers.start(name) for name in names}
    routes = {
        "shop": Route(host="shop.localhost"),
        "api": Route(host="shop.localhost", path="/api"),
        "deep": Route(host="shop.localhost", path="/api/deep/"),
        "any": Route(host="any.localhost", path="/only"),
        "wild": Route(host="*.example.org"),
    }
    backends = [backend(servers[n], service=n, route=routes[n]) for n in names]
    await gateway.apply(table(*backends))
    expected = {
        ("shop.localhost", "/"): "shop",
        ("shop.localhost:8080", "/x"): "shop",
        ("shop.localhost", "/apix"): "shop",
        ("shop.localhost", "/api"): "api",
        ("shop.localhost", "/api/x?y=1"): "api",
        ("shop.localhost", "/api/deep/z"): "deep",
        ("any.localhost", "/only/x"): "any",
        ("a.example.org", "/"): "wild",
    }
    for (host, path), name in expected.items():
        status, text = await world.client(host).ask(path)
        assert (status, text.split(" ")[0]) == (200, name), (host, path)
    for host, path in [("any.localhost", "/"), ("other.localhost", "/"), ("example.org", "/")]:
        status, text = await world.client(host).ask(path)
        assert status == 404
        assert "no service is routed" in text


async def test_a_problem_names_nothing_inside(world: World):
    await world.open()
    client = world.client("nobody.localhost")
    async with client.session.get(client.base) as answer:
        assert answer.content_type == "application/problem+json"
        problem = await answer.json(content_type=None)
        assert problem["status"] == 404
        assert "envoy" not in (await answer.text() + str(answer.headers)).lower()


async def test_a_client_cannot_speak_for_the_gateway(world: World):
    gateway = await world.open()
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    forged = {
        "x-dreamnet-service": "other",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-max-retries": "0",
    }
    status, text = await world.client().ask("/?s=0.1", headers=forged)
    assert (status, text) == (200, "a / 0 shop")


async def test_websockets_pass(world: World):
    gateway = await world.open()
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    host, _, port = world.listen.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"GET /ws HTTP/1.1\r\nhost: shop.localhost\r\nconnection: upgrade\r\n"
        b"upgrade: websocket\r\n\r\n"
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_an_unhealthy_endpoint_gets_nothing(world: World):
    gateway = await world.open()
    good, bad = await world.servers.start("good"), await world.servers.start("bad")
    await gateway.apply(table(backend(good, endpoint(bad, EndpointHealth.UNHEALTHY))))
    client = world.client()
    names = {(await client.ask())[1].split(" ")[0] for _ in range(30)}
    assert names == {"good"}


async def test_a_removed_endpoint_is_gone_when_apply_returns(world: World):
    gateway = await world.open()
    old, new = await world.servers.start("old"), await world.servers.start("new")
    await gateway.apply(table(backend(old)))
    await gateway.apply(table(backend(old, new)))
    await gateway.apply(table(backend(new)))
    sample = await gateway.sample()
    assert [one.address for one in sample.endpoints] == [f"127.0.0.1:{new.port}"]
    await gateway.apply(table())
    assert not (await gateway.sample()).endpoints
    assert (await world.client().ask())[0] == 404


async def test_a_probe_that_is_not_http_is_asked_by_connecting(world: World):
    gateway = await world.open()
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server, live=Probe())))
    assert (await world.client().ask())[0] == 200


async def test_a_rejected_table_changes_nothing_and_says_why(world: World):
    gateway = await world.open()
    server = await world.servers.start("a")
    good = await gateway.apply(table(backend(server)))
    broken = Endpoint.model_construct(
        host="127.0.0.1", port=server.port, health=EndpointHealth.HEALTHY, weight=0
    )
    other = backend(server, service="other", route=Route(host="other.localhost"))
    bad = await gateway.apply(table(backend(broken), other))
    assert bad.version == good.version
    assert "eds_shop" in bad.rejected[0]
    assert "weight" in bad.rejected[0].lower()
    assert (await world.client().ask())[0] == 200
    deaths = gateway.watch()
    os.kill(world.pid("envoy"), signal.SIGKILL)
    await anext(deaths)
    await gateway.restart("gateway")
    assert (await world.client().ask())[0] == 200
    assert (await world.client("other.localhost").ask())[0] == 404
    assert (await gateway.apply(table(backend(server), other))).rejected == ()
    assert (await world.client("other.localhost").ask())[0] == 200


async def test_a_second_node_adopts_both_parts(world: World):
    first = await world.open()
    server = await world.servers.start("a")
    version = (await first.apply(table(backend(server)))).version
    pids = world.pid("envoy"), world.pid("room")
    async with world.client().load(100, "GET") as load:
        await first.close(stop=False)
        second = await world.open()
        assert (await second.apply(table(backend(server)))).version == version
    assert (world.pid("envoy"), world.pid("room")) == pids
    assert load.failed("GET") == 0
    deaths = second.watch()
    os.kill(world.pid("envoy"), signal.SIGKILL)
    async with asyncio.timeout(1):
        assert (await anext(deaths))[0] == "gateway"


NODE = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from dreamnet.drivers.gateway.envoy import EnvoyGateway
from dreamnet.kernel.clock import SystemClock
from dreamnet.model.routes import RouteTable
async def main():
    gateway = EnvoyGateway(Path(sys.argv[1]), sys.argv[2], SystemClock(), timedelta(seconds=20))
    await gateway.open()
    await gateway.apply(RouteTable.model_validate_json(sys.argv[3]))
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_killed_node_leaves_a_gateway_that_serves_and_is_adopted(world: World):
    server = await world.servers.start("a")
    served = table(backend(server))
    arguments = [sys.executable, "-c", NODE, str(world.folder), world.listen]
    with subprocess.Popen(
        [*arguments, served.model_dump_json()], stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        assert await asyncio.to_thread(node.stdout.readline) == "ready\n"
        pid = world.pid("envoy")
        async with world.client().load(100, "GET") as load:
            node.kill()
            node.wait()
            gateway = await world.open()
            await gateway.apply(served)
    assert load.failed("GET") == 0
    assert load.total("GET")
    assert world.pid("envoy") == pid


async def test_a_taken_port_is_a_conflict_and_starts_nothing(world: World):
    host, _, port = world.listen.partition(":")
    taken, refused = socket.create_server((host, int(port))), pytest.raises(Conflict, match="taken")
    with taken, refused:
        await world.open()
    assert not (world.folder / "envoy.pid.json").exists()
    assert not (world.folder / "room.pid.json").exists()


async def test_a_second_gateway_on_the_port_is_a_conflict(world: World, tmp_path: Path):
    gateway = await world.open()
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    other = World(tmp_path / "other", world.listen, world.servers, [], [])
    with pytest.raises(Conflict):
        await other.open()
    assert (await world.client().ask())[0] == 200


async def test_the_listening_address_may_change_while_envoy_lives(world: World):
    first = await world.open()
    server = await world.servers.start("a")
    await first.apply(table(backend(server)))
    await first.close(stop=False)
    pid = world.pid("envoy")
    other = World.at(world.folder)
    await world.open(listen=other.listen)
    assert world.pid("envoy") == pid
    world.listen = other.listen
    assert (await world.client().ask())[0] == 200


async def test_a_frozen_gateway_is_replaced_on_open(world: World):
    first = await world.open()
    await first.close(stop=False)
    pid = world.pid("envoy")
    frozen = Identity.of(pid)
    os.kill(pid, signal.SIGSTOP)
    await world.open()
    assert world.pid("envoy") != pid
    assert frozen is not None
    assert not frozen.is_alive()
    assert (await world.client().ask())[0] == 404  # it serves, though it has no routes yet


async def test_after_a_cold_start_old_routes_wait_for_their_instances(world: World):
    first = await world.open()
    server = await world.servers.start("a")
    await first.apply(table(backend(server)))
    await first.close(stop=True)
    second = await world.open()
    asked = asyncio.get_running_loop().create_task(world.client().ask())
    await until(lambda: _waiting(second, 1))
    await second.apply(table(backend(server)))
    assert (await asked)[0] == 200


async def _waiting(gateway: Gateway, count: int) -> bool:
    return (await gateway.sample()).waiting == count


async def test_stopping_lets_requests_finish_and_ends_both(world: World):
    gateway = await world.open()
    server = await world.servers.start("a")
    await gateway.apply(table(backend(server)))
    asked = asyncio.get_running_loop().create_task(world.client().ask("/?s=0.5"))
    await until(lambda: _active(gateway))
    pids = [Identity.of(world.pid(part)) for part in ("envoy", "room")]
    await gateway.close(stop=True)
    assert (await asked)[0] == 200
    assert not any(identity and identity.is_alive() for identity in pids)
    with pytest.raises(aiohttp.ClientError):
        await world.client().ask()


async def _active(gateway: Gateway) -> bool:
    return any(one.active for one in (await gateway.sample()).endpoints)
