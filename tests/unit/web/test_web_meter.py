"""Metrics: facts, ledger rows and gateway counters become series."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from web_stage import SHOP, Stage, replace, until

from dreamnet.kernel.tasks import Tasks
from dreamnet.model.facts import Probed
from dreamnet.model.instances import InstanceId
from dreamnet.model.routes import EndpointSample, GatewaySample
from dreamnet.model.services import Aspect, Slot
from dreamnet.web.meter import Meter

AT = datetime(2026, 1, 1, tzinfo=UTC)


async def scraped(stage: Stage) -> dict[str, float]:
    async with stage.client.get(stage.url + "/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def append(stage: Stage, kind: str, subject: str, **body: Any) -> None:
    await stage.store.tx(lambda tx: tx.ledger.append(kind, subject, body, AT))


async def test_instances_desired_and_usage(stage: Stage) -> None:
    await stage.start_instances()
    seen = await scraped(stage)
    assert seen['dreamnet_instances{service="shop",state="running"}'] == 2
    assert seen['dreamnet_ready_instances{service="shop"}'] == 2
    assert seen['dreamnet_desired_instances{service="shop"}'] == 2
    assert seen['dreamnet_instance_resident_bytes{service="shop",slot="1"}'] == 1_000_000
    assert seen['dreamnet_instance_cpu_seconds_total{service="mail",slot="1"}'] == 0
    assert seen["dreamnet_live_dreams"] == 0
    assert seen["dreamnet_halted"] == 0


async def test_each_phase_of_a_dream_counts_once(stage: Stage) -> None:
    await append(stage, "dream", "shop/1", dream="old", phase="open", symptom="crash")
    meter = Meter(stage.handles, stage.bus)
    stage.handles.metrics.know(stage.handles.world.services)
    await meter.count_rows()
    phases = ("open", "diagnosing", "acting", "escalated", "escalated", "resolved")
    for phase in phases:
        await append(stage, "dream", "shop/1", dream="d", phase=phase, symptom="crash", words="w")
    await meter.count_rows()
    seen = await scraped(stage)
    labels = '{service="shop",symptom="crash"}'
    for name in ("opened", "escalated", "resolved"):
        assert seen[f"dreamnet_dreams_{name}_total{labels}"] == 1


async def test_actions_and_restarts_are_counted(stage: Stage) -> None:
    meter = Meter(stage.handles, stage.bus)
    stage.handles.metrics.know(stage.handles.world.services)
    await meter.count_rows()
    await stage.start_instances()
    _, body = await stage.ask("deploykeeper", action="restart", service="shop")
    await stage.performed(body["link"])
    (stage.folder / "halt").touch()
    await stage.ask("deploykeeper", action="scale", service="shop", replicas=1)
    await meter.count_rows()
    seen = await scraped(stage)
    ended = "dreamnet_actions_total"
    assert seen[f'{ended}{{office="deploy",outcome="succeeded",verb="restart"}}'] == 1
    assert seen[f'{ended}{{office="scale",outcome="refused",verb="scale"}}'] == 1
    assert seen['dreamnet_restarts_total{service="shop"}'] == 2


def sample(at_s: float, requests: int, errors: int) -> GatewaySample:
    one = EndpointSample(
        service=SHOP,
        address="127.0.0.1:20001",
        requests=requests,
        errors=errors,
        active=0,
        healthy=True,
    )
    return GatewaySample(monotonic_s=at_s, endpoints=(one,))


async def test_the_gateways_counters_are_counted_from_the_first_look_on(stage: Stage) -> None:
    looks = [sample(1, 100, 10), sample(2, 110, 11), sample(2.5, 4, 0)]
    now: list[GatewaySample] = []
    meter = Meter(replace(stage.handles, sample=lambda: now[0] if now else None), stage.bus)
    stage.handles.metrics.know(stage.handles.world.services)
    meter.count_requests()
    for look in looks:
        now[:] = [look]
        meter.count_requests()
        meter.count_requests()
    seen = await scraped(stage)
    assert seen['dreamnet_gateway_requests_total{service="shop"}'] == 14
    assert seen['dreamnet_gateway_errors_total{service="shop"}'] == 1


async def test_a_running_meter_counts_probes_and_lag(stage: Stage) -> None:
    fact = Probed(
        at=AT,
        service=SHOP,
        slot=Slot(1),
        instance=InstanceId("i"),
        aspect=Aspect.LIVE,
        good=True,
        took_ms=4.0,
    )
    series = 'dreamnet_probes_total{aspect="live",result="good",service="shop"}'
    async with Tasks("test") as tasks:
        tasks.loop("meter", Meter(stage.handles, stage.bus).run)
        await until(lambda: bool(stage.bus._subscriptions))
        stage.bus.publish(fact)
        while not (seen := await scraped(stage)).get("dreamnet_loop_lag_seconds_count"):
            pass
    assert seen[series] == 1
    assert not stage.bus._subscriptions


async def test_every_series_is_in_the_reference(stage: Stage) -> None:
    await stage.start_instances()
    page = (Path(__file__).parents[3] / "docs/reference/metrics.md").read_text(encoding="utf-8")
    async with stage.client.get(stage.url + "/metrics") as answer:
        told = re.findall(r"^# HELP (\S+)", await answer.text(), re.MULTILINE)
    ours = [name for name in told if not name.startswith("dreamnet_process_")]
    assert len(ours) > 15
    assert [name for name in ours if f"`{name}`" not in page] == []
