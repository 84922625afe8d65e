"""Throughput, latency and CPU of three proxies: `python -m bench.gateway --repeats 15`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from bench.gateway.proxies import HOST, Proxy, nginx, raw_envoy, settings
from bench.gateway.report import Pair, notes, table
from bench.gateway.wrk import missing, shoot
from bench.results import Report
from dreamnet.cli.demo.stage import Stage, instance_of, pid_of, run_command, until_ready
from dreamnet.kernel.ports import free_port
from dreamnet.root import living_root

EVIDENCE = Path("docs/evidence/heal.md")


def main() -> int:
    """Measure and write the figures; 3 when a tool is missing."""
    parser = argparse.ArgumentParser("python -m bench.gateway", description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=2, help="of one stretch")
    parser.add_argument("--rate", type=int, default=1000, help="requests/s of the fixed stretch")
    parser.add_argument("--out", type=Path, default=EVIDENCE)
    arguments = parser.parse_args()
    if lacking := missing():
        print(f"not measured: install {' and '.join(lacking)} (apt-get install ...)")
        return 3
    with tempfile.TemporaryDirectory(prefix="dreamnet-bench-") as folder:
        pairs = asyncio.run(_measure(Path(folder), arguments))
    command = f"python -m bench.gateway --repeats {arguments.repeats}"
    words = notes(arguments.rate, pairs)
    report = Report(name="gateway", tables=[table(pairs)], command=command, notes=words)
    print(f"raw values: {report.write(arguments.out)}")
    return 0


async def _measure(folder: Path, arguments: argparse.Namespace) -> list[Pair]:
    pairs: list[Pair] = []
    async with _proxies(folder) as proxies:
        for repeat in range(arguments.repeats):
            turn = repeat % len(proxies)
            for proxy in (*proxies[turn:], *proxies[:turn]):
                pair = await asyncio.to_thread(_pair, proxy, folder, arguments)
                print(f"{repeat + 1:3} {proxy.name:20} {pair.throughput:7.0f}/s", flush=True)
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


if __name__ == "__main__":
    sys.exit(main())
