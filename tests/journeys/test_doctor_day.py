"""The doctor beside a running node, whose parts are stopped and killed one after the other."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from place import Place, place

from dreamnet.app.doctor.finding import Finding, Level
from dreamnet.app.doctor.visit import visit


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def troubles(here: Place) -> dict[str, Finding]:
    found = visit(here.folder / "dreamnet.toml")
    return {one.name: one for one in found if one.level is not Level.OK}


def test_parts_that_hang_or_are_gone_are_told(here: Place) -> None:
    here.up()
    here.until(lambda: not troubles(here))
    envoy = int(json.loads((here.data / "gateway" / "envoy.pid.json").read_text())["pid"])
    os.kill(envoy, signal.SIGSTOP)
    try:
        assert f"kill -9 {envoy}" in troubles(here)["gateway"].mend
    finally:
        os.kill(envoy, signal.SIGCONT)

    node = psutil.Process(here.node_pid())
    root = node.parent()
    assert root is not None
    root.kill()
    root.wait(10)
    assert "nobody starts the node again" in troubles(here)["root"].seen
    node.kill()
    here.until(lambda: not node.is_running() or node.status() == psutil.STATUS_ZOMBIE)
    left = troubles(here)["node"]
    assert left.level is Level.FAIL
    assert "shop/1" in left.seen
    assert "dreamnet up --detach" in left.mend
    here.up()
    here.until(lambda: not troubles(here))
