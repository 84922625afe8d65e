"""A party that is not DreamNet: a supervisor with one policy, and an Envoy beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from datetime import timedelta
from pathlib import Path

from bench.peers.asking import Question, all_well, instant_of_health, quiet_port
from bench.peers.ejection import instant_of_ejection
from bench.peers.party import Sight
from bench.peers.plainenvoy import Gateway
from bench.peers.policy import Policy
from bench.peers.units import Orders, Unit, read_events
from dreamnet.cli.demo.stage import examples
from dreamnet.drivers.gateway.commands import envoy_command
from dreamnet.drivers.gateway.layout import LOOPBACK, Layout
from dreamnet.model.address import Address
from dreamnet.testing.instant import now

SLOTS = ("shop/1", "shop/2", "httpbin/1")
READY = {"shop": "/health/ready", "httpbin": "/status/200"}
WORK = {"shop": "/products", "httpbin": "/get"}
READY_LIMIT_S = 30.0
LOG_TAIL = 1000


class Peer:
    """The shop twice and httpbin once under one policy; ports stay the same for ever."""

    def __init__(self, policy: Policy, folder: Path, gunicorn: Path, *, care: bool = False) -> None:
        self.name = "careful" if care else policy.name
        self._policy = policy
        self._folder = folder
        self._gunicorn = gunicorn
        self._care = care
        self._ports = {target: quiet_port() for target in (*SLOTS, "gateway", "admin")}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def gateway_url(self) -> str:
        """Where the load goes."""
        return f"http://127.0.0.1:{self._ports['gateway']}"

    @property
    def data(self) -> Path:
        """The folder with the shop's database and its crash file."""
        return self._folder / "data"

    async def open(self) -> None:
        """Start everything and wait until it serves."""
        if not self.data.exists():
            shutil.copytree(examples() / "shop", self._folder / "shop")
            self.data.mkdir()
            Orders(self._policy.name, self._units(), str(self._events)).write(self._orders)
        command = (sys.executable, "-m", "bench.peers.supervisor", str(self._orders))
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        await self._until_ready()

    async def close(self) -> None:
        """End everything."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        for pid in self._pids().values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def pid_of(self, target: str) -> int:
        """The pid of a slot, of `gateway`, or of the supervisor (`node`)."""
        if target == "node":
            assert self._process is not None
            return self._process.pid
        return self._pids()[target]

    async def port_of(self, target: str) -> int:
        """The port at which a slot listens itself."""
        return self._ports[target]

    async def aim(self, target: str) -> None:
        """Nothing to remember: instants tell events apart."""

    async def watch(self, target: str, began: float, until: float) -> Sight:
        """Ask the victim until it answers; the rest is in the record of supervisor and Envoy."""
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._whole(target, until))
            looking = group.create_task(self._ejected(target, until))
            await asyncio.sleep(max(0.0, until - now()))
        whole = asking.result()
        events = [one for one in read_events(self._events) if began <= one.at <= until]
        died = [one.at for one in events if one.what == "died" and one.unit == target]
        signs = [*died, *(at for at in (looking.result(),) if at is not None)]
        return Sight(
            noticed=min(signs) - began if signs else None,
            whole=None if whole is None else whole - began,
            starts=tuple(one.at for one in events if one.what == "started"),
        )

    async def reset(self, _target: str) -> None:
        """Start what is dead and forget how often that was; a dead supervisor is replaced."""
        assert self._process is not None
        if self._process.returncode is not None:
            await self.close()
            await self.open()
            return
        self._process.send_signal(signal.SIGHUP)
        await self._until_ready()

    async def machinery(self) -> list[int]:
        """Envoy and the supervisor, where there is one."""
        assert self._process is not None
        own = [self._process.pid] if self._policy.restarts else []
        return [*own, self._pids()["gateway"]]

    @property
    def _orders(self) -> Path:
        return self._folder / "orders.json"

    @property
    def _events(self) -> Path:
        return self._folder / "events.jsonl"

    def _pids(self) -> dict[str, int]:
        return {one.unit: one.pid for one in read_events(self._events) if one.what == "started"}

    def _units(self) -> tuple[Unit, ...]:
        environment = {
            "SHOP_DATABASE": str(self.data / "shop.db"),
            "SHOP_CRASH_FILE": str(self.data / "crash"),
            "SHOP_FAULTS": "1",
        }
        folder = str(self._folder / "shop")
        options = ("--host", "127.0.0.1", "--log-level", "warning")
        shop = (sys.executable, "-m", "uvicorn", "shop:app", *options)
        shops = (
            Unit(slot, (*shop, "--port", str(self._ports[slot])), folder, environment)
            for slot in SLOTS[:2]
        )
        return (*shops, self._httpbin(), self._envoy())

    def _httpbin(self) -> Unit:
        options = (
            "--workers 1 --threads 8 --keep-alive 75 --graceful-timeout 5 --no-control-socket "
            f"--log-level warning --bind 127.0.0.1:{self._ports['httpbin/1']} httpbin:app"
        )
        return Unit(
            "httpbin/1", (str(self._gunicorn), *options.split()), str(self._gunicorn.parents[2])
        )

    def _envoy(self) -> Unit:
        """The same binary with the same flags as DreamNet's."""
        services = {
            "shop": [self._ports["shop/1"], self._ports["shop/2"]],
            "httpbin": [self._ports["httpbin/1"]],
        }
        boot = self._folder / "boot.json"
        gateway = Gateway(self._ports["gateway"], self._ports["admin"], services, READY, self._care)
        gateway.write(boot)
        return Unit("gateway", envoy_arguments(boot), str(self._folder))

    async def _whole(self, target: str, until: float) -> float | None:
        question = self._question(target)
        return await instant_of_health(question, until) if question is not None else None

    async def _ejected(self, target: str, until: float) -> float | None:
        """A careful Envoy notices by itself."""
        ports = [port for name, port in self._ports.items() if name.startswith(target)]
        if not self._care or target in ("gateway", "node"):
            return None
        return await instant_of_ejection(self._ports["admin"], ports, until)

    def _question(self, target: str) -> Question | None:
        """Nothing is asked of a service as a whole, nor of a supervisor."""
        if target == "gateway":
            return Question(f"{self.gateway_url}{WORK['shop']}", "shop.localhost")
        if target in SLOTS:
            service = target.partition("/")[0]
            return Question(f"http://127.0.0.1:{self._ports[target]}{WORK[service]}")
        return None

    async def _until_ready(self) -> None:
        questions = (self._question(target) for target in (*SLOTS, "gateway"))
        try:
            await all_well((one for one in questions if one is not None), READY_LIMIT_S)
        except TimeoutError as error:
            log = self._events.with_suffix(".log")
            words = log.read_text()[-LOG_TAIL:] if log.exists() else ""
            raise TimeoutError(f"{self.name}: {error}; it said: {words}") from error


def envoy_arguments(boot: Path) -> tuple[str, ...]:
    """Envoy's command line as DreamNet writes it, for another boot file."""
    nowhere = Address(host=LOOPBACK, port=0)
    layout = Layout(boot.parent, nowhere, nowhere, nowhere, timedelta(0))
    return envoy_command(layout).arguments
