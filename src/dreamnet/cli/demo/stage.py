"""The stage: a folder with two example services, their settings, and a node that runs them."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dreamnet
from dreamnet.client import Client, ClientError
from dreamnet.kernel.environ import own_environment
from dreamnet.kernel.errors import UserError
from dreamnet.kernel.ports import free_port, is_free

Say = Callable[[str], None]

SHORT_BACKOFF = """\
# The default is "1m", doubling; a demonstration cannot wait that long to show a back-off.
backoff = "1s\""""

PREFERRED_GATEWAY_PORT = 8080
PREFERRED_API_PORT = 7300
READY_LIMIT_S = 60.0
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.db*", ".dreamnet", "dreamnet.toml", ".venv")

_SETTINGS = """\
# Written by `dreamnet demo`; change it and run `dreamnet up` here to play on.
[node]
listen = "127.0.0.1:{api}"

[gateway]
listen = "127.0.0.1:{gateway}"

[heal]
{heal}

[services.shop]
path = "shop"
run = "{python} -m uvicorn shop:app --host 127.0.0.1 --port $PORT --log-level warning"
route = {{ host = "shop.localhost", try_timeout = "1s" }}
health = {{ live = "/health/live", ready = "/health/ready", interval = "1s", timeout = "500ms" }}
replicas = 2
grace = "5s"
env = {{ set = {{ SHOP_DATABASE = "{data}/shop.db", SHOP_CRASH_FILE = "{data}/crash", \
SHOP_FAULTS = "1" }} }}

[services.httpbin]
path = "httpbin"
run = "{gunicorn} --bind 127.0.0.1:$PORT --workers 1 --threads 8 --keep-alive 75 \
--graceful-timeout 5 --no-control-socket --log-level warning httpbin:app"
route = "httpbin.localhost"
health = {{ live = "/status/200", ready = "/status/200" }}
replicas = 1
grace = "8s"
"""


@dataclass(frozen=True)
class Stage:
    """Where the demonstration plays; everything it writes is inside `folder`."""

    folder: Path
    gateway_port: int
    api_port: int

    @property
    def data_dir(self) -> Path:
        """Return the node's data directory."""
        return self.folder / ".dreamnet"

    @property
    def shop_database(self) -> Path:
        """Return the shop's SQLite file."""
        return self.folder / "data" / "shop.db"

    @property
    def crash_file(self) -> Path:
        """Return the file that makes the shop exit at its start."""
        return self.folder / "data" / "crash"

    @property
    def gateway_url(self) -> str:
        """Return where the services are reached."""
        return f"http://127.0.0.1:{self.gateway_port}"

    def client(self) -> Client:
        """Return a client of the running node; ClientError before there is one."""
        return Client.from_data_dir(self.data_dir, timeout=5.0)


def examples() -> Path:
    """Return the folder of the example services: in the repository, or inside the package."""
    package = Path(dreamnet.__file__).parent
    for folder in (package.parents[1] / "examples", package / "_examples"):
        if (folder / "shop" / "shop.py").is_file():
            return folder
    raise UserError.of("the example services are not installed", mend="reinstall dreamnet")


def _port(preferred: int) -> int:
    return preferred if is_free("127.0.0.1", preferred) else free_port()


def prepare(folder: Path, say: Say, heal: str = SHORT_BACKOFF) -> Stage:
    """Copy the examples, give the foreign one its own environment, and write the settings.

    `heal` is the text of the settings' section of that name.
    """
    stage = Stage(folder.resolve(), _port(PREFERRED_GATEWAY_PORT), _port(PREFERRED_API_PORT))
    stage.folder.mkdir(parents=True, exist_ok=True)
    for name in ("shop", "httpbin"):
        source, place = examples() / name, stage.folder / name
        shutil.copytree(source, place, dirs_exist_ok=True, ignore=_NOT_COPIED)
    stage.shop_database.parent.mkdir(exist_ok=True)
    stage.crash_file.unlink(missing_ok=True)
    gunicorn = _foreign_environment(stage.folder / "httpbin", say) / "gunicorn"
    text = _SETTINGS.format(
        api=stage.api_port,
        gateway=stage.gateway_port,
        python=sys.executable,
        gunicorn=gunicorn,
        data=stage.shop_database.parent,
        heal=heal,
    )
    (stage.folder / "dreamnet.toml").write_text(text)
    return stage


def _foreign_environment(folder: Path, say: Say) -> Path:
    """Install httpbin and gunicorn once; returns the folder of the programs."""
    place = folder / ".venv"
    stamp = place / "installed"
    lock = (folder / "requirements.lock").read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        say("installing httpbin and gunicorn into an environment of their own")
        venv.create(place, with_pip=True, clear=True)
        command = [place / "bin" / "pip", "install", "--quiet", "--require-hashes"]
        done = subprocess.run(
            [*command, "-r", folder / "requirements.lock"],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise UserError.of(
                f"httpbin could not be installed:\n{done.stderr.strip()}",
                mend="check the network, then run dreamnet demo again",
            )
        stamp.write_text(lock)
    return place / "bin"


def command_line(stage: Stage, *arguments: str) -> list[str]:
    """Return a `dreamnet` command for the stage."""
    settings = str(stage.folder / "dreamnet.toml")
    return [sys.executable, "-m", "dreamnet", *arguments, "--file", settings]


async def run_command(stage: Stage, *arguments: str) -> None:
    """Run a `dreamnet` command on the stage; UserError with its words when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command_line(stage, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(own_environment()),
    )
    _, errors = await process.communicate()
    if process.returncode != 0:
        words = errors.decode(errors="replace").strip()
        raise UserError.of(f"dreamnet {' '.join(arguments)} failed: {words}")


async def ask(stage: Stage, path: str, **parameters: Any) -> dict[str, Any]:
    """Ask the node; `ClientError` while it does not answer."""
    return await asyncio.to_thread(lambda: stage.client().get(path, **parameters))


async def until_ready(stage: Stage) -> float:
    """Wait until every wanted instance gets traffic; returns the seconds it took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while clock() - began < READY_LIMIT_S:
        try:
            services: list[dict[str, Any]] = (await ask(stage, "/api/services"))["services"]
        except ClientError:
            services = []
        if services and all(_serves(service) for service in services):
            return clock() - began
        await asyncio.sleep(0.1)
    raise UserError.of("the services did not become ready", mend=f"see {stage.data_dir}/logs")


def _serves(service: dict[str, Any]) -> bool:
    serving = [one for one in service["instances"] if one["in_traffic"] and one["ready"]]
    return len(serving) == service["desired"]


async def pid_of(stage: Stage, target: str) -> int:
    """Return the pid of a slot such as `shop/1`, or of a part: node, gateway, room."""
    files = {
        "node": stage.data_dir / "node.json",
        "gateway": stage.data_dir / "gateway" / "envoy.pid.json",
        "room": stage.data_dir / "gateway" / "room.pid.json",
    }
    if target in files:
        return int(json.loads(files[target].read_text())["pid"])
    return int((await instance_of(stage, target))["pid"])


async def instance_of(stage: Stage, target: str) -> dict[str, Any]:
    """Return the instance that serves a slot now."""
    service = await ask(stage, f"/api/services/{target.partition('/')[0]}")
    for one in service["instances"]:
        if one["target"] == target and one["ready"]:
            return one
    raise UserError.of(f"nothing serves {target}")
