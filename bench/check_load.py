"""Check the load generator: its counts against Envoy's own, its latencies against a known stall.

Run as `python -m bench.check_load`; about 40 s; exit code 0 only if every check holds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass

import aiohttp

from bench.rawenvoy import raw_envoy
from bench.stubs import Stall, stub_server
from dreamnet.testing.instant import now
from dreamnet.testing.latency import Latency
from dreamnet.testing.load import Kind, LoadResult, Plan
from dreamnet.testing.loadprocess import LoadProcess


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim, whether it held, and the figures it rests on."""

    claim: str
    holds: bool
    figures: str


async def run(plan: Plan) -> LoadResult:
    """Run a plan to its end in a process of its own."""
    async with LoadProcess(plan) as load:
        return await load.wait()


async def check_counts(rate_per_s: float, seconds: float) -> list[Verdict]:
    """Envoy must have counted exactly the requests, good and bad, that the generator reports."""
    kinds = [
        Kind("direct", "/direct", weight=6),
        Kind("proxied", "/proxied", weight=3),
        Kind("unavailable", "/unavailable", weight=1),
    ]
    async with stub_server() as upstream, raw_envoy(upstream) as envoy:
        plan = Plan(envoy.url, rate_per_s, kinds, limit_s=seconds, arrivals="poisson")
        result = await run(plan)
        counted = await envoy.downstream_counts()
    pairs = {
        "total": (result.count, counted["total"]),
        "2xx": (result.ok, counted["2xx"]),
        "5xx": (result.failed, counted["5xx"]),
    }
    return [
        Verdict(f"same {name} as Envoy counts", own == envoys, f"{own} and Envoy {envoys}")
        for name, (own, envoys) in pairs.items()
    ] + [Verdict("the generator kept its schedule", result.valid, _lag(result))]


def _lag(result: LoadResult) -> str:
    return "; ".join(result.doubts) or f"lag p99 {result.lag.p99_ms:.1f} ms"


async def check_stall(stall: Stall, rate_per_s: float, seconds: float) -> list[Verdict]:
    """The 99th percentile must show a periodic freeze, which a closed loop hides.

    Of the arrivals, the share `length / every` meets the freeze and waits for what is left of it,
    so the true open-loop p99 is `length - 0.01 * every`.
    """
    truth_ms = (stall.length_s - 0.01 * stall.every_s) * 1000
    async with stub_server(stall) as port:
        address = f"http://127.0.0.1:{port}"
        result = await run(Plan(address, rate_per_s, [Kind("get")], limit_s=seconds))
        closed = await closed_loop(address, rate_per_s, seconds)
    measured = result.latency.p99_ms
    near = abs(measured - truth_ms) <= 0.1 * truth_ms
    figures = f"p99 {measured:.0f} ms, true {truth_ms:.0f} ms"
    hidden = closed.p99_ms < truth_ms / 2
    return [
        Verdict("the open loop shows the freeze", near, figures),
        Verdict("a closed loop would hide it", hidden, f"p99 {closed.p99_ms:.1f} ms"),
        Verdict("the generator kept its schedule", result.valid, _lag(result)),
    ]


async def closed_loop(address: str, rate_per_s: float, seconds: float) -> Latency:
    """What a naive client sees: it sends the next request only after the answer and a pause."""
    durations: list[float] = []
    end = now() + seconds
    async with aiohttp.ClientSession() as session:
        while (began := now()) < end:
            async with session.get(address) as answer:
                await answer.read()
            durations.append(now() - began)
            await asyncio.sleep(1 / rate_per_s)
    return Latency.of(durations)


async def check_all(rate_per_s: float, seconds: float) -> list[Verdict]:
    """Every check, one after the other."""
    counts = await check_counts(rate_per_s, seconds)
    return counts + await check_stall(Stall(5.0, 1.0), rate_per_s, max(seconds, 15.0))


def main() -> int:
    """Run the checks; 0 if all hold."""
    parser = argparse.ArgumentParser("bench.check_load", description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each load")
    options = parser.parse_args()
    verdicts = asyncio.run(check_all(options.rate, options.seconds))
    for verdict in verdicts:
        print("ok  " if verdict.holds else "FAIL", f"{verdict.claim}: {verdict.figures}")
    return 0 if all(verdict.holds for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
