"""The three proxies in front of the same backend: DreamNet's gateway, raw Envoy, nginx."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from dreamnet.cli.demo.stage import Stage
from dreamnet.drivers.gateway.commands import envoy_command
from dreamnet.drivers.gateway.layout import LOOPBACK, Layout
from dreamnet.drivers.gateway.listeners import boot
from dreamnet.drivers.gateway.snapshot import snapshot
from dreamnet.kernel.ports import free_port
from dreamnet.model.address import Address
from dreamnet.model.routes import RouteTable

HOST = "page.localhost"
WORKERS = 2

SETTINGS = """
[node]
listen = "127.0.0.1:{api}"
[gateway]
listen = "127.0.0.1:{gateway}"
[services.page]
run = "sh {script}"
route = "{host}"
health = {{ live = "/", ready = "/" }}
"""

# nginx behind everything: nothing here answers faster.
BACKEND = """
printf '%s' "worker_processes 1; pid $PWD/backend.pid; error_log stderr; daemon off;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; server {{ listen 127.0.0.1:$PORT;
location / {{ return 200 'ok'; }} }} }}" > {folder}/backend.conf
exec nginx -p {folder} -c {folder}/backend.conf
"""

NGINX = """
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
daemon off;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  upstream page {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    server_name {host};
    location / {{
      proxy_pass http://page;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs; `others` are processes that belong to it but carry no request."""

    name: str
    port: int
    process: psutil.Process
    others: Sequence[psutil.Process] = ()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/"

    def cpu_s(self) -> float:
        """CPU time so far of the proxy itself, its workers included."""
        return sum(_cpu_s(one) for one in (self.process, *self.process.children(recursive=True)))

    def others_cpu_s(self) -> float:
        """CPU time so far of what stands beside it."""
        return sum(_cpu_s(one) for one in self.others)


@contextmanager
def raw_envoy(folder: Path, stage: Stage) -> Generator[Proxy]:
    """The same binary, flags and configuration, with nobody who looks after it."""
    table = RouteTable.model_validate_json((stage.data_dir / "gateway" / "table.json").read_text())
    listen, admin, room = (Address(host=LOOPBACK, port=free_port()) for _ in range(3))
    layout = Layout(folder, listen, admin, room, timedelta(seconds=5))
    layout.resource_file("lds").parent.mkdir(parents=True)
    (folder / "boot.json").write_text(json.dumps(boot(layout)))
    for file in snapshot(table, layout).files.values():
        layout.resource_file(file.name).write_text(file.text)
    with _running(envoy_command(layout).arguments, folder) as process:
        yield Proxy("raw Envoy", listen.port, process)


@contextmanager
def nginx(folder: Path, backend: int) -> Generator[Proxy]:
    """Debian's nginx with kept-alive connections to the backend."""
    port = free_port()
    folder.mkdir()
    text = NGINX.format(workers=WORKERS, folder=folder, backend=backend, port=port, host=HOST)
    (folder / "nginx.conf").write_text(text)
    with _running(("nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")), folder) as one:
        yield Proxy("nginx", port, one)


def settings(folder: Path, stage: Stage) -> None:
    """Write the settings of the node and the program behind it."""
    script = folder / "backend.sh"
    script.write_text(BACKEND.format(folder=folder))
    text = SETTINGS.format(api=stage.api_port, gateway=stage.gateway_port, script=script, host=HOST)
    (stage.folder / "dreamnet.toml").write_text(text)


@contextmanager
def _running(arguments: Sequence[str], folder: Path) -> Generator[psutil.Process]:
    with (folder / "output").open("w") as output:
        # A session of its own, as DreamNet gives its Envoy: Linux shares the cores by session.
        process = subprocess.Popen(arguments, stdout=output, stderr=output, start_new_session=True)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
