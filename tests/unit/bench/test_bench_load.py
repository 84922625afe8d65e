"""The generator against real servers: honest counts, honest latencies, honest losses."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter

import pytest
from aiohttp import web

from bench.check_load import closed_loop
from bench.load import main
from bench.rawenvoy import raw_envoy
from bench.stubs import Stall, stub_server
from dreamnet.kernel.ports import free_port
from dreamnet.testing.faults import kill
from dreamnet.testing.load import Kind, Load, Plan
from dreamnet.testing.loadprocess import LoadFailed, LoadProcess


@pytest.fixture
async def server():
    """Serve a handler; gives a function that returns the address."""
    runners = []

    async def serve(handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()


async def complete(plan: Plan) -> Load:
    async with Load(plan) as load:
        await load.wait()
    return load


async def test_its_counts_are_envoys_counts():
    kinds = [
        Kind("direct", "/direct", weight=3),
        Kind("proxied", "/x"),
        Kind("unavailable", "/unavailable"),
    ]
    async with stub_server() as upstream, raw_envoy(upstream) as envoy:
        plan = Plan(envoy.url, 200, kinds, limit_s=2, arrivals="poisson")
        async with LoadProcess(plan) as load:
            result = await load.wait()
        counted = await envoy.downstream_counts()
    assert result.count > 300
    assert (result.count, result.ok, result.failed) == (
        counted["total"],
        counted["2xx"],
        counted["5xx"],
    )
    assert result.reasons == {"status 503": counted["5xx"]}
    assert len(load.losses.records) == counted["5xx"]
    assert load.counts.ok == result.ok


async def test_a_stall_shows_in_the_99th_percentile():
    async with stub_server(Stall(every_s=1.5, length_s=0.5)) as port:
        address = f"http://127.0.0.1:{port}"
        async with LoadProcess(Plan(address, 100, [Kind("get")], limit_s=4)) as load:
            result = await load.wait()
        closed = await closed_loop(address, 100, 4)
    assert 400 <= result.latency.p99_ms <= 800
    assert result.latency.p90_ms > 5
    assert closed.p90_ms < result.latency.p90_ms


async def test_arrivals_do_not_wait_for_answers(server):
    release = asyncio.Event()

    async def hold(_):
        await release.wait()
        return web.Response()

    async with Load(Plan(await server(hold), 100, [Kind("get")], limit_s=0.5)) as load:
        await load.wait()
        assert load.counts.in_flight == 50
        release.set()
    assert load.counts.ok == 50


async def test_each_request_is_sent_once_even_on_a_connection_that_breaks(server):
    seen = Counter()

    async def break_every_second(request):
        seen["requests"] += 1
        if seen["requests"] % 2 == 0:
            request.transport.close()
        return web.Response()

    load = await complete(Plan(await server(break_every_second), 50, [Kind("get")], limit_s=1))
    assert seen["requests"] == load.counts.sent == 50
    assert load.counts.reasons == {"disconnected": 25}


async def test_requests_carry_what_their_kind_says(server):
    seen = []

    async def look(request):
        seen.append((request.method, request.host, request.path_qs, await request.text()))
        keys.add(request.headers["Idempotency-Key"])
        return web.Response(status=201, headers={"Set-Cookie": "a=b"})

    keys: set[str] = set()
    kind = Kind(
        "order",
        "/orders?a=b",
        "POST",
        host="shop.localhost",
        body="{}",
        unique_header="Idempotency-Key",
        expect=(201,),
    )
    load = await complete(Plan(await server(look), 100, [kind], limit_count=10))
    assert load.counts.ok == 10
    assert set(seen) == {("POST", "shop.localhost", "/orders?a=b", "{}")}
    assert len(keys) == 10
    assert not load.records[0].idempotent


async def test_losses_are_named_by_their_cause(server):
    async def sleep(_):
        await asyncio.sleep(5)
        return web.Response()

    slow = await complete(
        Plan(await server(sleep), 50, [Kind("get")], limit_count=5, timeout_s=0.2)
    )
    assert slow.counts.reasons == {"timeout": 5}
    refused = Plan(f"http://127.0.0.1:{free_port()}", 50, [Kind("get")], limit_count=5)
    assert (await complete(refused)).counts.reasons == {"connect": 5}


async def test_a_full_generator_gives_up_and_its_figures_are_not_valid(server):
    async def sleep(_):
        await asyncio.sleep(0.3)
        return web.Response()

    plan = Plan(await server(sleep), 100, [Kind("get")], limit_count=10, max_in_flight=4)
    load = await complete(plan)
    assert load.counts.reasons == {"overflow": 6}
    assert not load.result().valid


async def test_losses_fall_into_the_windows_of_their_marks(server):
    broken = False

    async def answer(_):
        return web.Response(status=503 if broken else 200)

    kinds = [Kind("shop", service="shop"), Kind("other", "/o", "POST", service="other")]
    async with Load(Plan(await server(answer), 100, kinds, limit_s=30)) as load:
        before = load.mark("calm")
        while load.counts.ok < 10:
            await asyncio.sleep(0.01)
        broken = True
        since = load.mark("fault")
        while load.counts.failed < 10:
            await asyncio.sleep(0.01)
        load.stop()
    windows = load.losses.by_mark()
    assert load.lost(before - 1, before) == []
    assert len(windows["fault"]) == load.counts.failed == len(load.lost(since))
    shop = load.losses.between(since, service="shop", idempotent=True)
    other = load.losses.between(since, service="other", idempotent=False)
    assert len(shop) + len(other) == load.counts.failed


async def test_a_load_process_reports_each_loss_and_stops_when_told(server):
    arrived = asyncio.Event()

    async def answer(request):
        return web.Response(status=503 if request.path == "/bad" else 200)

    kinds = [Kind("good", weight=5), Kind("bad", "/bad")]
    plan = Plan(await server(answer), 100, kinds, limit_s=60)
    async with LoadProcess(plan, lambda _: arrived.set()) as load:
        await asyncio.wait_for(arrived.wait(), 20)
        result = await load.stop()
    assert result.failed == load.counts.failed == len(load.lost(load.began))
    assert result.duration_s < 30
    assert load.slowest_s(load.began) * 1000 == pytest.approx(result.latency.max_ms, abs=0.01)


async def test_a_load_process_that_dies_is_reported(server):
    async def answer(_):
        return web.Response()

    async with LoadProcess(Plan(await server(answer), 10, [Kind("get")], limit_s=60)) as load:
        kill(load.pid)
        with pytest.raises(LoadFailed, match="without a result"):
            await load.wait()


async def test_leaving_the_block_leaves_no_process(server):
    async def answer(_):
        return web.Response()

    async with LoadProcess(Plan(await server(answer), 10, [Kind("get")], limit_s=60)) as load:
        pass
    assert load._process.returncode == -signal.SIGKILL


def test_the_command_line_explains_wrong_arguments_and_counts_failures(capsys):
    assert main(["--url", "nowhere", "--rate", "1", "--seconds", "1"]) == 2
    assert "needs a scheme" in capsys.readouterr().err
    address = f"http://127.0.0.1:{free_port()}/"
    code = main(["--url", address, "--rate", "50", "--seconds", "0.2", "--json"])
    written = json.loads(capsys.readouterr().out)
    assert code == (1 if written["valid"] else 3)
    assert written["reasons"] == {"connect": 10}
