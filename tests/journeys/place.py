"""A folder with an app, and the `dreamnet` command run in it as a user would."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dreamnet.kernel.ports import free_port

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0

SETTINGS = """\
[node]
listen = "127.0.0.1:{api}"
{store}
[gateway]
listen = "127.0.0.1:{gateway}"

[heal]
stabilise = "500ms"
backoff = "1s"

[services.shop]
path = "shop"
run = "{python} -m uvicorn shop:app --host 127.0.0.1 --port $PORT --log-level warning"
route = "shop.localhost"
health = {{ live = "/health/live", ready = "/health/ready", interval = "500ms", timeout = "250ms" }}
replicas = 2
grace = "3s"
env = {{ set = {{ SHOP_DATABASE = "{folder}/shop.db", SHOP_FAULTS = "1" }} }}
"""


@dataclass
class Place:
    """Where an app lives; `dreamnet` runs a command there and returns what it printed."""

    folder: Path
    api: int = field(default_factory=free_port)
    gateway: int = field(default_factory=free_port)
    store: str = ""

    def write(self, extra: str = "", change: Callable[[str], str] = lambda text: text) -> None:
        """Write the settings, changed by `change`, with `extra` at the end."""
        store = f'store = "{self.store}"' if self.store else ""
        text = SETTINGS.format(
            api=self.api,
            gateway=self.gateway,
            python=sys.executable,
            folder=self.folder,
            store=store,
        )
        (self.folder / "dreamnet.toml").write_text(change(text) + extra)

    @property
    def data(self) -> Path:
        return self.folder / ".dreamnet"

    def dreamnet(
        self, *arguments: str, limit: float = LIMIT_S, handles: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder; it inherits these handles besides the first three."""
        return subprocess.run(
            [sys.executable, "-m", "dreamnet", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            pass_fds=handles,
        )

    def up(self) -> None:
        """Start the node and wait until every wanted instance gets traffic."""
        done = self.dreamnet("up", "--detach")
        assert done.returncode == 0, done.stderr
        self.until(self.serves)

    def json(self, *arguments: str) -> Any:
        """Run a command with `--json` and return what it says."""
        done = self.dreamnet(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ask(self, path: str) -> Any:
        """Ask the node's API; None while it does not answer."""
        return self._fetch(f"http://127.0.0.1:{self.api}{path}", self.bearer())

    def bearer(self) -> dict[str, str]:
        """Return the header that opens the API; none while there is no token."""
        with contextlib.suppress(FileNotFoundError):
            return {"Authorization": f"Bearer {(self.data / 'token').read_text().strip()}"}
        return {}

    def get(self, path: str = "/products", host: str = "shop.localhost") -> int:
        """Ask a service through the gateway; returns the status, 0 when nothing answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.gateway}{path}", headers={"Host": host}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def _fetch(self, url: str, headers: dict[str, str]) -> Any:
        try:
            request = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            return None
        except OSError:
            return None

    def shop(self) -> dict[str, Any]:
        found = self.ask("/api/services/shop")
        return found or {"instances": [], "desired": -1}

    def serving(self) -> list[dict[str, Any]]:
        return [one for one in self.shop()["instances"] if one["ready"] and one["in_traffic"]]

    def serves(self) -> bool:
        shop = self.shop()
        return len(self.serving()) == shop["desired"]

    def pids(self) -> dict[str, int]:
        return {one["target"]: one["pid"] for one in self.serving()}

    def node_pid(self) -> int:
        return int(json.loads((self.data / "node.json").read_text())["pid"])

    def dreams(self) -> list[dict[str, Any]]:
        found = self.ask("/api/dreams")
        return found["dreams"] if found else []

    def dream(self, target: str) -> dict[str, Any]:
        """Return all of the newest dream of a target."""
        newest = next(one["id"] for one in self.dreams() if one["target"] == target)
        return self.ask(f"/api/dreams/{newest}")

    def resolved(self, target: str) -> bool:
        phases = [one["phase"] for one in self.dreams() if one["target"] == target]
        return bool(phases) and set(phases) == {"resolved"}

    def until(self, holds: Callable[[], Any], limit: float = LIMIT_S) -> Any:
        """Wait for a condition; AssertionError with the node's last words when it never holds."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if found := holds():
                return found
            time.sleep(0.05)
        raise AssertionError(f"never held; dreams: {self.dreams()}; log: {self.log()}")

    def log(self) -> str:
        logs = [*self.data.glob("logs/dreamnet/node.log"), *self.data.glob("up.log")]
        return "\n".join(file.read_text()[-4000:] for file in logs)

    def processes(self) -> list[psutil.Process]:
        """Return every process that belongs to this place."""
        mark = str(self.folder)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                text = " ".join(process.cmdline()) + str(process.environ().get("SHOP_DATABASE"))
                text += str(process.environ().get("PLACE"))
                if mark in text and process.pid != os.getpid():
                    found.append(process)
        return found


@contextlib.contextmanager
def place(folder: Path, **changes: Any) -> Iterator[Place]:
    """Yield a place with the shop in it; at the end everything is stopped, whatever happened."""
    shutil.copytree(ROOT / "examples" / "shop", folder / "shop")
    (folder / "shop" / "dreamnet.toml").unlink(missing_ok=True)
    made = Place(folder, **changes)
    made.write()
    try:
        yield made
    finally:
        made.dreamnet("down")
        for process in made.processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
