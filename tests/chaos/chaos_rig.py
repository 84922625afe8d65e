"""The world under chaos: three quick instances, a node, a gateway, a room, a root, and users."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.load import Load
from tests.journeys.place import ROOT, Place

REPLICAS = 3
HOST = "tiny.localhost"

SETTINGS = """\
[node]
listen = "127.0.0.1:{api}"

[gateway]
listen = "127.0.0.1:{gateway}"

# Kills by hand are no flapping and no remedy without effect.
[heal]
stabilise = "200ms"
good_probes = 2
backoff = "200ms"
backoff_cap = "1s"
tries = 100
flap_limit = 1000

[services.tiny]
run = "{python} -S -E -s {tiny}"
route = "{host}"
health = {{ live = "/live", ready = "/ready", interval = "250ms", timeout = "1s" }}
replicas = {replicas}
grace = "2s"
logs = {{ max_bytes = 1000000, keep = 3 }}
env = {{ set = {{ STARTS = "{folder}/starts", PLACE = "{folder}", LINES_PER_S = "{lines}" }} }}
"""


@dataclass(frozen=True)
class Dream:
    """A dream as the store has it; times in microseconds since 1970."""

    id: str
    target: str
    phase: str
    live: bool
    opened: int
    updated: int
    symptom: str


@dataclass
class Rig(Place):
    """The place; what is asked of the store is read from its file, so it needs no living node."""

    lines_per_s: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load(self.gateway, HOST)
        text = SETTINGS.format(
            api=self.api,
            gateway=self.gateway,
            python=sys.executable,
            tiny=Path(__file__).with_name("tiny.py"),
            host=HOST,
            replicas=REPLICAS,
            folder=self.folder,
            lines=self.lines_per_s,
        )
        (self.folder / "dreamnet.toml").write_text(text)

    # -- processes

    def start(self) -> None:
        """Start a root that is quick, and wait until all is well."""
        command = [sys.executable, "-m", "tests.chaos.eager_root", "up", "--file"]
        with (self.folder / "up.log").open("ab") as log:
            root = subprocess.Popen(
                [*command, str(self.folder / "dreamnet.toml")],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._roots.append(root)
        self.settle()

    @property
    def _roots(self) -> list[subprocess.Popen[bytes]]:
        return self.__dict__.setdefault("roots", [])

    def root_pid(self) -> int:
        return int((self.data / "root.lock").read_text())

    def reap(self) -> None:
        """Reap the roots that have ended."""
        self._roots[:] = [one for one in self._roots if one.poll() is None]

    def wait(self) -> None:
        """Wait for the end of every root."""
        for root in self._roots:
            root.wait(30)

    def newest_node(self) -> int | None:
        """Return the pid of the node that root has now, ready or just starting."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.root_pid()).children():
                if "dreamnet.app" in child.cmdline():
                    return child.pid
        return None

    def part_pid(self, part: str) -> int | None:
        """Return the pid of `envoy` or `room`; None while a start that failed is tried again."""
        with contextlib.suppress(FileNotFoundError):
            return int(json.loads((self.data / "gateway" / f"{part}.pid.json").read_text())["pid"])
        return None

    def instances(self) -> dict[str, int]:
        """Return the pid of each instance's application, by target."""
        found = self.ask("/api/services/tiny") or {"instances": []}
        running = [one for one in found["instances"] if one["state"] == "running"]
        return {one["target"]: one["pid"] for one in running}

    def well(self) -> dict[str, int] | None:
        """Return the instances once all that are wanted, and only they, are ready and served."""
        found = self.ask("/api/services/tiny")
        if not found or len(found["instances"]) != REPLICAS:
            return None
        served = [one for one in found["instances"] if one["ready"] and one["in_traffic"]]
        pids = {one["target"]: one["pid"] for one in served}
        is_well = len(pids) == REPLICAS and all(psutil.pid_exists(pid) for pid in pids.values())
        return pids if is_well else None

    # -- the store

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(
            sqlite3.connect(f"file:{self.data}/dreamnet.db?mode=ro", uri=True, timeout=30)
        ) as connection:
            return connection.execute(query).fetchall()

    def all_dreams(self) -> list[Dream]:
        found = self.rows("SELECT id, target, phase, live, opened, updated, data FROM cases")
        return [
            Dream(*row[:3], bool(row[3]), *row[4:6], json.loads(row[6])["symptom"]["kind"])
            for row in found
        ]

    def is_settled(self) -> bool:
        """Tell whether all is well, every dream told and every action ended."""
        if not self.well():
            return False
        alive, room = (self.ask("/api/status") or {"gateway": {}})["gateway"], "room_alive"
        if not (alive.get("alive") and alive.get(room)):
            return False
        busy = "phase IN ('permitted', 'claimed', 'proposed')"
        (live,) = self.rows("SELECT count(*) FROM cases WHERE live")[0]
        (active,) = self.rows(f"SELECT count(*) FROM actions WHERE {busy}")[0]
        return live == active == 0

    def settle(self, limit_s: float = 60.0) -> dict[str, int]:
        """Wait until all is well twice in a row; returns the instances."""
        for _ in range(2):
            self.until(self.is_settled, limit_s)
            time.sleep(0.2)
        return self.until(self.well, limit_s)

    def until(self, holds: Any, limit: float = 60.0) -> Any:
        """Wait for a condition; what is known of the world when it never holds."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if found := holds():
                return found
            time.sleep(0.05)
        open_dreams = [one for one in self.all_dreams() if one.live]
        raise AssertionError(f"not within {limit} s; live: {open_dreams}; log: {self.log()}")


@contextlib.contextmanager
def rig(folder: Path, **more: Any) -> Iterator[Rig]:
    """Yield a running world; at the end everything of it is stopped, whatever happened."""
    made = Rig(folder, **more)
    try:
        made.start()
        yield made
    finally:
        made.load.stop()
        made.dreamnet("down")
        for process in made.processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        made.wait()
