"""Figures of scale: an idle node, 200 instances, 1,000 probed targets; all real processes.

`python -m bench.scale` writes `docs/evidence/scale.md` and the raw values beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop

from bench.crowd import Crowd, Histogram, Use
from bench.probers import probe_many
from bench.results import Report, Row, Table
from dreamnet.testing.loadprocess import LoadProcess
from dreamnet.testing.plan import Kind, Plan

EVIDENCE = Path("docs/evidence/scale.md")
IDLE, MANY, TARGETS = 20, 200, 1000
CALM_S = 5.0
LAG, LATE = "dreamnet_loop_lag_seconds", "dreamnet_probe_late_seconds"
USE_UNITS = {"CPU": "% of a core", "RSS": "MB", "PSS": "MB"}
LATE_UNITS = dict.fromkeys(("p50", "p99", "greatest"), "ms at most")
IDLE_LIMITS = {"CPU": 5.0, "RSS": 150.0}
LOST, ENDED = "requests lost meanwhile", "instances that did not live on"
Rows = list[Row]


def main(words: list[str] | None = None) -> int:
    """Measure and write; 1 when the idle node is over its limits, or a request or an
    instance was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to watch a calm node")
    parser.add_argument("--many", type=int, default=MANY, help="instances of the large crowd")
    parser.add_argument("--out", type=Path, default=EVIDENCE)
    chosen = parser.parse_args(words)
    lateness: Rows = []
    idle = _idle(chosen.seconds, lateness)
    many, large = _many(chosen.many, chosen.seconds / 2, lateness)
    probing = _probing(lateness)
    report = Report(
        name="scale",
        tables=[
            Table(
                f"{IDLE} instances at rest, each probed for liveness and readiness", idle, USE_UNITS
            ),
            Table(f"{chosen.many} instances at rest", large, USE_UNITS),
            Table(f"{chosen.many} instances", many, {"seen": ""}),
            Table(f"{TARGETS:,} probed targets, the prober alone", probing, {"seen": ""}),
            Table("How late the node is", lateness, LATE_UNITS),
        ],
        command="make bench ARGS='--only scale'",
    )
    print(f"raw values: {report.write(chosen.out)}")
    missed = complaints(idle, many)
    print("\n".join(missed), file=sys.stderr)
    return 1 if missed else 0


def complaints(idle: Rows, many: Rows) -> list[str]:
    """Return what is not as it must be: the idle node's use, requests and instances lost."""
    node = next(row for row in idle if row["process"] == "node")
    seen = {str(row["measure"]): row["seen"] for row in many}
    over = {f"the idle node: {name}": (node[name], most) for name, most in IDLE_LIMITS.items()}
    none = {name: (seen[name], 0.0) for name in (LOST, ENDED)}
    return [
        f"{name}: {value:.3g}, at most {most:g}"
        for name, (value, most) in (over | none).items()
        if not isinstance(value, float | int) or value > most
    ]


def _idle(seconds: float, lateness: Rows) -> Rows:
    with _crowd(IDLE) as crowd:
        print(f"{IDLE} instances ready after {crowd.up():.1f} s")
        return _rest(crowd, seconds, lateness)


def _rest(crowd: Crowd, seconds: float, lateness: Rows) -> Rows:
    """Watch a crowd to which nothing happens."""
    time.sleep(CALM_S)
    lag, late = crowd.histogram(LAG), crowd.histogram(LATE)
    before, began = crowd.uses(), time.monotonic()
    time.sleep(seconds)
    after, took_s = crowd.uses(), time.monotonic() - began
    what = f"{crowd.count} instances"
    lateness.append(_late(f"{what}: event loop", crowd.histogram(LAG).since(lag)))
    lateness.append(_late(f"{what}: start of probes", crowd.histogram(LATE).since(late)))
    rows = [_used(name, before[name], after[name], took_s) for name in after]
    rows.append({"process": "all four", **{name: _sum(rows, name) for name in USE_UNITS}})
    print("\n".join(str(row) for row in rows))
    return rows


def _sum(rows: Rows, column: str) -> float:
    return sum(value for row in rows if isinstance(value := row[column], float))


def _used(name: str, before: Use, after: Use, took_s: float) -> Row:
    share = 100 * (after.cpu_s - before.cpu_s) / took_s
    return {"process": name, "CPU": share, "RSS": after.rss_mb, "PSS": after.pss_mb}


def _late(what: str, seen: Histogram) -> Row:
    shares = {"p50": 0.5, "p99": 0.99, "greatest": 1.0}
    return {"what": what, **{name: seen.at_most_ms(share) for name, share in shares.items()}}


def _many(count: int, seconds: float, lateness: Rows) -> tuple[Rows, Rows]:
    seen: Rows = []

    def note(what: str, value: float) -> None:
        print(f"{what}: {value:.3g}")
        seen.append({"measure": what, "seen": value})

    with _crowd(count) as crowd:
        note("cold `up` until all get traffic, s", crowd.up())
        started = crowd.uses()["node"].cpu_s
        note("CPU of the node until then, s", started)
        note("the same for each instance, ms", started / count * 1000)
        rest = _rest(crowd, seconds, lateness)
        status = [_timed(lambda: crowd.ask("/api/status")) for _ in range(5)]
        note("GET /api/status, ms", statistics.median(status) * 1000)
        note("`dreamnet status`, ms", crowd.command("status") * 1000)
        _heal(crowd, note)
        uvloop.run(_adopt(crowd, note))
        note("`dreamnet down`, s", crowd.down())
    return seen, rest


def _heal(crowd: Crowd, note: Callable[[str, float], None]) -> None:
    victim = next(one for one in crowd.instances() if one["target"] == "s0/1")
    killed = crowd.kill(victim["pid"])

    def healed() -> bool:
        found = crowd.ask("/api/services/s0")["instances"]
        new = [one for one in found if one["target"] == "s0/1" and one["id"] != victim["id"]]
        return any(one["in_traffic"] for one in new)

    crowd.until(healed, pause_s=0.05)
    note("kill -9 of an instance until it serves again, ms", (time.time() - killed) * 1000)
    dreams = [one for one in crowd.ask("/api/dreams")["dreams"] if one["target"] == "s0/1"]
    noticed = datetime.fromisoformat(dreams[0]["noticed"]).timestamp()
    note("kill -9 of an instance until it is noticed, ms", (noticed - killed) * 1000)


async def _adopt(crowd: Crowd, note: Callable[[str, float], None]) -> None:
    """Kill the node under load; the next one must have probed every instance again."""
    kinds = [Kind(name=host, path="/", host=host) for host in crowd.hosts]
    plan = Plan(
        base_url=f"http://127.0.0.1:{crowd.gateway}",
        rate_per_s=100,
        kinds=kinds,
        seed=1,
        limit_s=300,
    )
    pids_before = {one["id"]: one["pid"] for one in crowd.instances()}
    async with LoadProcess(plan) as load:
        killed = crowd.kill(crowd.pids()["node"])
        await asyncio.to_thread(crowd.until, crowd.serves_all, 0.05)
        note("kill -9 of the node until all are adopted and probed well, s", time.time() - killed)
        note("CPU of the new node until then, s", crowd.uses()["node"].cpu_s)
        result = await load.stop()
    note("requests sent meanwhile", result.count)
    note(LOST, result.failed)
    pids_after = {one["id"]: one["pid"] for one in crowd.instances()}
    note(ENDED, len(set(pids_before.items()) - set(pids_after.items())))


def _probing(lateness: Rows) -> Rows:
    """Drive the prober alone in this process: CPU time is the process's own."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    began, before = time.monotonic(), used.ru_utime + used.ru_stime
    found = uvloop.run(probe_many(TARGETS, seconds=20.0))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s, took_s = used.ru_utime + used.ru_stime - before, time.monotonic() - began
    for what, values in (("event loop", found.lags_ms), ("start of probes", found.lates_ms)):
        lateness.append({"what": f"{TARGETS:,} targets: {what}", **_quantiles(values)})
    return [
        {"measure": "probes", "seen": found.probes},
        {"measure": "probes that failed", "seen": found.failed},
        {"measure": "CPU for each probe, µs", "seen": cpu_s / found.probes * 1e6},
        {"measure": "CPU, % of a core", "seen": 100 * cpu_s / took_s},
    ]


def _quantiles(values: list[float]) -> dict[str, float | None]:
    ordered = sorted(values)
    return {
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[int(len(ordered) * 0.99)],
        "greatest": ordered[-1],
    }


def _timed(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


@contextmanager
def _crowd(count: int) -> Generator[Crowd]:
    """A crowd in a temporary folder that is stopped at the end, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="dreamnet-scale-") as folder:
        crowd = Crowd(Path(folder), count)
        try:
            yield crowd
        finally:
            crowd.down()


if __name__ == "__main__":
    sys.exit(main())
