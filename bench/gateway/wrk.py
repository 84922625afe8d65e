"""Runs Debian's `wrk`, which sends far more than a Python process could."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 32
# wrk waits for each answer; with pauses drawn so that all connections together come to the rate,
# the answers stay far faster than the pauses, and the rate holds.
_SCRIPT = """
local pause = {pause_ms}
if pause > 0 then
  function delay() return math.floor(-pause * math.log(1 - math.random()) + 0.5) end
end
function done(summary, latency, requests)
  io.write(string.format('\\nfigures {{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, ' ..
    '"failed": %d}}\\n', summary.requests, summary.duration / 1e6, latency:percentile(50),
    latency:percentile(99), summary.errors.connect + summary.errors.read + summary.errors.write +
    summary.errors.status + summary.errors.timeout))
end
"""


@dataclass(frozen=True)
class Shot:
    """One stretch of requests; latencies in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int


def missing() -> list[str]:
    """Debian packages that have to be installed first."""
    return [name for name in ("wrk", "nginx") if shutil.which(name) is None]


def shoot(url: str, host: str, seconds: int, folder: Path, rate_per_s: float = 0) -> Shot:
    """Send for some seconds, as fast as answers come or at about a rate; blocks."""
    pause_ms = 1000 * CONNECTIONS / rate_per_s if rate_per_s else 0
    script = folder / f"wrk-{rate_per_s:.0f}.lua"
    script.write_text(_SCRIPT.format(pause_ms=pause_ms))
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "5s"),
            *("-s", str(script), "-H", f"Host: {host}", url),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    line = next(one for one in done.stdout.splitlines() if one.startswith("figures "))
    return Shot(**json.loads(line.removeprefix("figures ")))
