"""Cold `dreamnet up` to ready, beside the import of FastAPI and SQLAlchemy in the same run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.results import Table
from dreamnet.kernel.ports import free_port

READY_LIMIT_S = 30.0
_SETTINGS = """
[node]
listen = "127.0.0.1:{api}"
[gateway]
listen = "127.0.0.1:{gateway}"
[services.page]
run = "{python} -m http.server --bind 127.0.0.1 $PORT"
"""


def startup_table(rounds: int) -> Table:
    """Return the measured table: both, taken in turn, and their ratio."""
    imports, starts = [], []
    for _ in range(rounds):
        imports.append(import_seconds())
        starts.append(up_seconds())
    ratios = [up / imported for up, imported in zip(starts, imports, strict=True)]
    rows = [
        {
            "start": "`dreamnet up` in an empty folder until `/health/ready` is 200",
            "up": starts,
            "import of FastAPI and SQLAlchemy": imports,
            "ratio": ratios,
        }
    ]
    units = {"up": "s", "import of FastAPI and SQLAlchemy": "s", "ratio": ""}
    return Table("Cold start", rows, units)


def import_seconds() -> float:
    """Return how long a fresh interpreter takes to import FastAPI and SQLAlchemy."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import fastapi, sqlalchemy"], check=True)
    return time.monotonic() - began


def up_seconds() -> float:
    """Return how long `dreamnet up` takes in an empty folder until its node is ready."""
    with tempfile.TemporaryDirectory(prefix="dreamnet-start-") as name:
        folder, api = Path(name), free_port()
        text = _SETTINGS.format(api=api, gateway=free_port(), python=sys.executable)
        (folder / "dreamnet.toml").write_text(text)
        began = time.monotonic()
        root = subprocess.Popen(
            [sys.executable, "-m", "dreamnet", "up"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return _until_ready(api, began)
        finally:
            os.kill(root.pid, signal.SIGTERM)
            root.wait()


def _until_ready(api: int, began: float) -> float:
    while time.monotonic() - began < READY_LIMIT_S:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{api}/health/ready", timeout=1
            ) as answer:
                json.load(answer)
                return time.monotonic() - began
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise RuntimeError(f"not ready within {READY_LIMIT_S} s")


if __name__ == "__main__":
    table = startup_table(5)
    print(json.dumps(table.rows))
