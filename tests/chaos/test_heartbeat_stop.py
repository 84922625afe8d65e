"""A node that stands still tells the outside nothing; once it goes on, it beats again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from dreamnet.kernel.ports import free_port
from tests.far_servers import serving

SETTINGS = """\
[node]
listen = "127.0.0.1:{api}"
heartbeat = "{heartbeat}t0ken-of-ours"
heartbeat_interval = "5s"

[gateway]
listen = "127.0.0.1:{gateway}"

[services.api]
watch = {{ tcp = "127.0.0.1:{api}" }}
"""
INTERVAL_S = 5.0


@pytest.mark.slow
async def test_a_stopped_node_is_silent(tmp_path: Path) -> None:
    heard: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.Response()

    async def until(count: int) -> None:
        async with asyncio.timeout(30):
            while len(heard) < count:
                await asyncio.sleep(0.05)

    async with serving(handle) as where:
        file = tmp_path / "dreamnet.toml"
        text = SETTINGS.format(api=free_port(), gateway=free_port(), heartbeat=where)
        file.write_text(text)
        # Without root, who would kill and start again what hangs.
        node = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dreamnet.app", "--file", str(file)), cwd=tmp_path
        )
        try:
            await until(2)
            os.kill(node.pid, signal.SIGSTOP)
            before = len(heard)
            await asyncio.sleep(2 * INTERVAL_S)  # silence cannot be waited for otherwise
            assert len(heard) == before
            os.kill(node.pid, signal.SIGCONT)
            await until(before + 1)
        finally:
            with suppress(ProcessLookupError):
                os.kill(node.pid, signal.SIGCONT)
                node.terminate()
            code = await asyncio.wait_for(node.wait(), 60)
        assert code == 0
    assert set(heard) == {"/t0ken-of-ours"}
    kept = [one for one in (tmp_path / ".dreamnet").rglob("*") if one.is_file()]
    assert [one for one in kept if b"t0ken-of-ours" in one.read_bytes()] == []
