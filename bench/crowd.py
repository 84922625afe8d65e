"""A real node with many tiny instances, and what its processes use: for `bench.scale`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dreamnet.client import Client, ClientError
from dreamnet.kernel.ports import free_port

TINY = Path(__file__).parent / "tiny.py"
LIMIT_S = 240.0
SERVICES = 4
_NODE = """
[node]
listen = "127.0.0.1:{api}"
[gateway]
listen = "127.0.0.1:{gateway}"
"""
_SERVICE = """
[services.{name}]
run = "{python} -I -S {tiny} $PORT"
route = "{name}.localhost"
health = {{ live = "/live", ready = "/ready" }}
replicas = {count}
grace = "2s"
"""


@dataclass(frozen=True)
class Use:
    """What one process has used and holds: CPU seconds so far, MB of memory."""

    cpu_s: float
    rss_mb: float
    pss_mb: float

    @classmethod
    def of(cls, pid: int) -> Use:
        process = psutil.Process(pid)
        times, memory = process.cpu_times(), process.memory_full_info()
        return cls(times.user + times.system, memory.rss / 1e6, memory.pss / 1e6)


@dataclass
class Crowd:
    """`count` instances of four services behind one node, in a folder of their own."""

    folder: Path
    count: int
    api: int = field(default_factory=free_port)
    gateway: int = field(default_factory=free_port)

    @property
    def hosts(self) -> list[str]:
        """The hosts of the services."""
        return [f"s{number}.localhost" for number in range(SERVICES)]

    def up(self) -> float:
        """Start everything; returns the seconds until every instance gets traffic."""
        text = _NODE.format(api=self.api, gateway=self.gateway) + "".join(
            _SERVICE.format(
                name=f"s{number}", python=sys.executable, tiny=TINY, count=self.count // SERVICES
            )
            for number in range(SERVICES)
        )
        (self.folder / "dreamnet.toml").write_text(text)
        began = time.monotonic()
        with (self.folder / "root.log").open("wb") as log:
            subprocess.Popen(
                [sys.executable, "-m", "dreamnet", "up"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(self.serves_all)
        return time.monotonic() - began

    def down(self) -> float:
        """Stop everything; returns how many seconds that took."""
        began = time.monotonic()
        self.command("down")
        return time.monotonic() - began

    def command(self, *words: str) -> float:
        """Run a command; returns how many seconds it took."""
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "dreamnet", *words],
            cwd=self.folder,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT_S,
        )
        return time.monotonic() - began

    def ask(self, path: str) -> Any:
        """Ask the API; None while it does not answer."""
        try:
            return Client.from_data_dir(self.folder / ".dreamnet", timeout=30).get(path)
        except ClientError:
            return None

    def instances(self) -> list[dict[str, Any]]:
        """Every instance as the API tells of it."""
        status = self.ask("/api/status") or {"services": []}
        return [one for service in status["services"] for one in service["instances"]]

    def serves_all(self) -> bool:
        """Tell whether this node has probed every instance well and gives all of them traffic."""
        well = [one for one in self.instances() if one["ready"] == "well" and one["in_traffic"]]
        return len(well) == self.count

    def until(self, holds: Callable[[], bool], pause_s: float = 0.1) -> None:
        """Wait until a condition holds; RuntimeError after four minutes."""
        ends = time.monotonic() + LIMIT_S
        while not holds():
            if time.monotonic() > ends:
                raise RuntimeError(f"not within {LIMIT_S:.0f} s: {holds}")
            time.sleep(pause_s)

    def pids(self) -> dict[str, int]:
        """Root, node, Envoy and room."""
        data = self.folder / ".dreamnet"
        files = {
            "node": data / "node.json",
            "Envoy": data / "gateway" / "envoy.pid.json",
            "waiting room": data / "gateway" / "room.pid.json",
        }
        found = {name: int(json.loads(file.read_text())["pid"]) for name, file in files.items()}
        return found | {"root": int((data / "root.lock").read_text())}

    def uses(self) -> dict[str, Use]:
        """What each of DreamNet's own processes uses."""
        return {name: Use.of(pid) for name, pid in self.pids().items()}

    def kill(self, pid: int) -> float:
        """Kill -9; returns the wall time of it."""
        psutil.Process(pid).send_signal(signal.SIGKILL)
        return time.time()

    def histogram(self, name: str) -> Histogram:
        """A histogram of the node's own metrics as it stands."""
        return Histogram.read(self.ask("/metrics") or "", name)


@dataclass(frozen=True)
class Histogram:
    """Counts up to each bound in seconds."""

    buckets: Mapping[float, float]

    @classmethod
    def read(cls, text: str, name: str) -> Histogram:
        """Read one histogram without labels from Prometheus' text format."""
        start = f'{name}_bucket{{le="'
        lines = [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]
        pairs = [line.split('"} ') for line in lines]
        return cls({float(bound): float(count) for bound, count in pairs})

    def since(self, before: Histogram) -> Histogram:
        """What came after an earlier look."""
        return Histogram({b: n - before.buckets.get(b, 0) for b, n in self.buckets.items()})

    def at_most_ms(self, share: float) -> float | None:
        """The bound, in ms, under which this share of the values lies; None without values."""
        total = max(self.buckets.values(), default=0)
        bounds = [bound for bound, count in sorted(self.buckets.items()) if count >= share * total]
        return bounds[0] * 1000 if total and bounds[0] != float("inf") else None
