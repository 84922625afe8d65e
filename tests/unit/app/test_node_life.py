"""A whole node on a platform and a gateway in memory: how it starts, and that it always stops."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from dreamnet.app import assembly
from dreamnet.app.__main__ import main
from dreamnet.app.assembly import Node, assemble, data_dir_of
from dreamnet.app.datadir import DataDir
from dreamnet.app.run import Stop, StopRequest, run
from dreamnet.drivers.store.base import Store
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Conflict, Unavailable
from dreamnet.model.address import Address
from dreamnet.model.instances import Instance, InstanceId
from dreamnet.model.settings import load_settings
from dreamnet.root import AGAIN_CODE, COMPLAINT_VARIABLE, WRONG_CONFIG_CODE
from dreamnet.testing.gateway import FakeGateway
from dreamnet.testing.platform import FakeMachine, FakePlatform
from dreamnet.web.server import bind
from tests.far_servers import serving

SETTINGS = """
[services.shop]
run = "sleep 60"
replicas = 2
"""


@dataclass
class Stage:
    """A node that is not yet started, and what it stands on."""

    node: Node
    stop: StopRequest
    platform: FakePlatform
    gateway: FakeGateway
    steps: list[str]

    async def play(self, meanwhile: Callable[[], bool], kind: Stop = Stop.EVERYTHING) -> Stop:
        """Run the node until it is up and a condition holds, then stop it; all within 20 s."""
        async with asyncio.timeout(20):
            running = asyncio.ensure_future(run(self.node, self.stop, bind(_anywhere())))
            while not (self.steps and meanwhile()) and not running.done():
                await asyncio.sleep(0.01)
            self.stop.ask(kind)
            return await running


def _anywhere() -> Address:
    return Address(host="127.0.0.1", port=0)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    clock = SystemClock()
    platform, gateway = FakePlatform(clock, FakeMachine()), FakeGateway(clock)
    monkeypatch.setattr(assembly, "ProcessPlatform", lambda *_: platform)
    monkeypatch.setattr(assembly, "EnvoyGateway", lambda *_, **__: gateway)
    file = tmp_path / "dreamnet.toml"
    file.write_text(SETTINGS)
    settings = load_settings(file)
    data = data_dir_of(settings, file)
    data.create()
    stop = StopRequest()
    node = assemble(settings, data, lambda: stop.ask(Stop.AGAIN))
    steps: list[str] = []
    started = node.health.started
    monkeypatch.setattr(node.health, "started", lambda: (steps.append("up"), started()))
    return Stage(node, stop, platform, gateway, steps)


async def test_a_stop_ends_every_instance_and_forgets_it(stage: Stage) -> None:
    await stage.play(lambda: len(stage.platform.machine.instances) == 2)
    assert stage.platform.machine.instances == {}
    assert not stage.gateway.runs("gateway")
    assert not stage.node.data.record.exists()


async def test_a_store_that_is_busy_does_not_keep_anything_running(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun() -> bool:
        if len(stage.platform.machine.instances) < 2:
            return False
        monkeypatch.setattr(type(stage.node.store), "tx", _busy)
        return True

    await stage.play(begun)
    assert stage.platform.machine.instances == {}


async def _busy(_store: Store, _work: object) -> None:
    raise Unavailable("the database is locked")


async def test_one_instance_that_cannot_be_stopped_leaves_only_itself(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = stage.platform.stop

    async def partly(instance: InstanceId, grace: timedelta) -> Instance:
        if instance.startswith("shop-1"):
            raise Unavailable("the kernel holds it")
        return await stop(instance, grace)

    monkeypatch.setattr(stage.platform, "stop", partly)
    await stage.play(lambda: len(stage.platform.machine.instances) == 2)
    assert [one.slot for one in stage.platform.machine.instances.values()] == [1]
    assert not stage.node.data.record.exists()


async def test_a_stop_during_the_start_starts_nothing(stage: Stage) -> None:
    stage.stop.ask(Stop.EVERYTHING)
    await stage.play(lambda: True)
    assert stage.platform.machine.started == []
    assert not stage.gateway.runs("gateway")


async def test_a_gateway_that_cannot_open_ends_the_start(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def taken() -> None:
        raise Conflict.of("port 8080 is taken")

    monkeypatch.setattr(stage.gateway, "open", taken)
    with pytest.raises(Conflict):
        await stage.play(lambda: False)
    assert stage.platform.machine.started == []
    assert not stage.node.data.record.exists()


async def test_the_death_of_the_last_node_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _died(stage.node.data, monkeypatch, "killed by signal 9")
    dreams: list[str] = []
    tell = stage.node.world.apply
    monkeypatch.setattr(
        stage.node.world, "apply", lambda fact: (dreams.append(fact.kind), tell(fact))
    )
    await stage.play(lambda: "part-died" in dreams)
    assert dreams.count("part-died") == 1


def test_a_restart_that_was_asked_for_is_no_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataDir(tmp_path)
    _died(data, monkeypatch, f"exit code {AGAIN_CODE}")
    assert data.previous_death(SystemClock()) is None
    _died(data, monkeypatch, "killed by signal 9")
    assert data.previous_death(SystemClock()) is not None


def _died(data: DataDir, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    data.record.write_text("{}")
    death = {"monotonic_s": time.monotonic(), "words": words}
    monkeypatch.setenv("DREAMNET_NODE_DEATH", json.dumps(death))


def test_a_file_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dreamnet.toml").write_text(SETTINGS)
    monkeypatch.setattr("sys.argv", ["app", "--file", str(tmp_path / "dreamnet.toml")])

    def denied(_: DataDir) -> None:
        raise PermissionError(13, "Permission denied", "/data/node.lock")

    monkeypatch.setattr(DataDir, "held", denied)
    assert main() == WRONG_CONFIG_CODE
    assert "/data/node.lock: no permission" in capsys.readouterr().err


def test_wrong_settings_are_complained_of_once_for_each_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root tries every few seconds while somebody edits the file; its log must not fill."""
    file = tmp_path / "dreamnet.toml"
    monkeypatch.setattr("sys.argv", ["app", "--file", str(file)])
    monkeypatch.setenv(COMPLAINT_VARIABLE, str(tmp_path / "complaint"))

    def said(text: str) -> str:
        file.write_text(text)
        assert main() == WRONG_CONFIG_CODE
        return capsys.readouterr().err

    assert "first" in said("first = 1\n")
    assert said("first = 1\n") == ""
    assert "second" in said("second = 1\n")
    monkeypatch.delenv(COMPLAINT_VARIABLE)
    assert said("second = 1\n") == said("second = 1\n") != ""


async def test_a_node_tells_the_outside_that_it_is_well(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.Response()

    async with serving(handle) as where:
        file = tmp_path / "dreamnet.toml"
        file.write_text(f'[node]\nheartbeat = "{where}t0ken"\n{SETTINGS}')
        settings = load_settings(file)
        node = assemble(settings, stage.node.data, lambda: None)
        monkeypatch.setattr(node.health, "started", lambda: stage.steps.append("up"))
        stage.node = node
        await stage.play(lambda: bool(heard))
    assert heard == ["/t0ken"]
