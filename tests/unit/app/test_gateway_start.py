"""A gateway that cannot start leaves nothing running that this start began."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from dreamnet.drivers.gateway import parts
from dreamnet.drivers.gateway.envoy import EnvoyGateway
from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.ports import free_address
from dreamnet.drivers.gateway.process import Command, Detached
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Unavailable


async def test_the_room_ends_when_envoy_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[Detached] = []
    start = Detached.start

    def started(process: Detached) -> None:
        start(process)
        if process.part == "room":
            rooms.append(process)

    real = parts.envoy_command

    def broken(layout: Layout) -> Command:
        return dataclasses.replace(real(layout), arguments=("/bin/false",))

    monkeypatch.setattr(Detached, "start", started)
    monkeypatch.setattr(parts, "envoy_command", broken)
    gateway = EnvoyGateway(
        tmp_path / "gateway", str(free_address()), SystemClock(), timedelta(seconds=5)
    )
    with pytest.raises(Unavailable, match="did not start"):
        await gateway.open()
    assert [room.runs for room in rooms] == [False]
