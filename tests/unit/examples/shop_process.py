"""One process of the example shop and a client for it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from dreamnet.kernel.ports import free_port

FOLDER = Path(__file__).parents[3] / "examples" / "shop"
START_LIMIT_S = 20


@dataclass
class Shop:
    """One shop process and a client for it."""

    database: Path
    variables: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def spawn(self) -> None:
        environment = os.environ | {"SHOP_DATABASE": str(self.database)} | self.variables
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "uvicorn", "shop:app", "--app-dir", str(FOLDER)),
            *("--host", "127.0.0.1", "--port", str(self.port), "--no-access-log"),
            env=environment,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __aenter__(self) -> Self:
        self.client = aiohttp.ClientSession(self.url)
        await self.spawn()
        async with asyncio.timeout(START_LIMIT_S):
            while not await self._answers():
                assert self.process.returncode is None, "the shop ended at once"
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.communicate()

    async def _answers(self) -> bool:
        try:
            return (await self.get("/health/live"))[0] == 200
        except aiohttp.ClientConnectionError:
            return False

    async def get(self, path: str) -> tuple[int, Any]:
        return await self.send("GET", path)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, path, json=body, headers=named) as answer:
            is_json = "json" in answer.content_type
            content = await (answer.json(content_type=None) if is_json else answer.text())
            return answer.status, content
