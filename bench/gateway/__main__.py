"""Throughput, latency and CPU of three proxies: `python -m bench.gateway --repeats 7`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.gateway.proxies import HOST, Proxy, nginx, raw_envoy, settings
from bench.gateway.wrk import CONNECTIONS, Shot, missing, shoot
from bench.results import Report, Table
from dreamnet.cli.demo.stage import Stage, instance_of, pid_of, run_command, until_ready
from dreamnet.kernel.ports import free_port
from dreamnet.root import living_root

EVIDENCE = Path("docs/evidence/heal.md")
UNITS = {
    "throughput": "requests/s",
    "of raw Envoy": "",
    "CPU of the proxy": "µs/request",
    "CPU of root, node and room": "µs/request",
    "p50": "µs",
    "p99": "µs",
}


@dataclass(frozen=True)
class Pair:
    """One proxy once as fast as it can, and once at a fixed rate; CPU in s during the first."""

    proxy: str
    full: Shot
    fixed: Shot
    cpu_s: float
    others_cpu_s: float


def main() -> int:
    """Measure and write the figures; 3 when a tool is missing."""
    parser = argparse.ArgumentParser("python -m bench.gateway", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4, help="of one stretch")
    parser.add_argument("--rate", type=int, default=1000, help="requests/s of the fixed stretch")
    parser.add_argument("--out", type=Path, default=EVIDENCE)
    arguments = parser.parse_args()
    if lacking := missing():
        print(f"not measured: install {' and '.join(lacking)} (apt-get install ...)")
        return 3
    with tempfile.TemporaryDirectory(prefix="dreamnet-bench-") as folder:
        pairs = asyncio.run(_measure(Path(folder), arguments))
    command = f"python -m bench.gateway --repeats {arguments.repeats}"
    notes = _notes(arguments.rate, pairs)
    table = Table("The gateway beside others", rows(pairs), UNITS, higher_is_better=BETTER)
    report = Report(name="gateway", tables=[table], command=command, notes=notes)
    print(f"raw values: {report.write(arguments.out)}")
    return 0


BETTER = frozenset({"throughput", "of raw Envoy"})


def rows(pairs: Sequence[Pair]) -> list[dict[str, str | list[float] | None]]:
    """One row for each proxy; ratios are taken within each repeat."""
    raw = [pair for pair in pairs if pair.proxy == "raw Envoy"]
    listed: list[dict[str, str | list[float] | None]] = []
    for name in dict.fromkeys(pair.proxy for pair in pairs):
        own = [pair for pair in pairs if pair.proxy == name]
        throughputs = [_throughput(pair) for pair in own]
        ratios = [
            _throughput(pair) / _throughput(base) for pair, base in zip(own, raw, strict=True)
        ]
        others = [1e6 * pair.others_cpu_s / pair.full.requests for pair in own]
        listed.append(
            {
                "proxy": name,
                "throughput": throughputs,
                "of raw Envoy": None if name == "raw Envoy" else ratios,
                "CPU of the proxy": [1e6 * pair.cpu_s / pair.full.requests for pair in own],
                "CPU of root, node and room": others if any(others) else None,
                "p50": [pair.fixed.p50 for pair in own],
                "p99": [pair.fixed.p99 for pair in own],
            }
        )
    return listed


def _throughput(pair: Pair) -> float:
    return pair.full.requests / pair.full.seconds


async def _measure(folder: Path, arguments: argparse.Namespace) -> list[Pair]:
    pairs: list[Pair] = []
    async with _proxies(folder) as proxies:
        for repeat in range(arguments.repeats):
            turn = repeat % len(proxies)
            for proxy in (*proxies[turn:], *proxies[:turn]):
                pair = await asyncio.to_thread(_pair, proxy, folder, arguments)
                print(f"{repeat + 1:3} {proxy.name:20} {_throughput(pair):7.0f}/s", flush=True)
                pairs.append(pair)
    order = [proxy.name for proxy in proxies]
    return sorted(pairs, key=lambda pair: order.index(pair.proxy))


def _pair(proxy: Proxy, folder: Path, arguments: argparse.Namespace) -> Pair:
    before = proxy.cpu_s(), proxy.others_cpu_s()
    full = shoot(proxy.url, HOST, arguments.seconds, folder)
    cpu_s, others_cpu_s = proxy.cpu_s() - before[0], proxy.others_cpu_s() - before[1]
    fixed = shoot(proxy.url, HOST, arguments.seconds, folder, arguments.rate)
    return Pair(proxy.name, full, fixed, cpu_s, others_cpu_s)


@asynccontextmanager
async def _proxies(folder: Path) -> AsyncGenerator[list[Proxy]]:
    """A node with its gateway, raw Envoy and nginx, all in front of the node's one instance."""
    stage = Stage(folder, free_port(), free_port())
    settings(folder, stage)
    await run_command(stage, "up", "--detach")
    try:
        await until_ready(stage)
        backend = int((await instance_of(stage, "page/1"))["port"])
        with raw_envoy(folder / "raw", stage) as raw, nginx(folder / "nginx", backend) as plain:
            yield [await _ours(stage), raw, plain]
    finally:
        await run_command(stage, "down")


async def _ours(stage: Stage) -> Proxy:
    root = living_root(stage.data_dir)
    others = [root or 0, await pid_of(stage, "node"), await pid_of(stage, "room")]
    envoy = psutil.Process(await pid_of(stage, "gateway"))
    return Proxy(
        "DreamNet's gateway",
        stage.gateway_port,
        envoy,
        [psutil.Process(pid) for pid in others if pid],
    )


def _notes(rate_per_s: int, pairs: Sequence[Pair]) -> list[str]:
    achieved = sorted(pair.fixed.requests / pair.fixed.seconds for pair in pairs)
    failed = sum(pair.full.failed + pair.fixed.failed for pair in pairs)
    words = (
        f"{CONNECTIONS} connections of `wrk`; throughput as fast as answers come, latencies at "
        f"about {rate_per_s} requests/s (really {achieved[0]:.0f} to {achieved[-1]:.0f}). "
        f"{failed} requests failed."
    )
    return [words]


if __name__ == "__main__":
    sys.exit(main())
