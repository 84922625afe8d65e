"""`up` and `down` with a real node: its life, and everything that can be wrong."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamnet.app.remains import look
from dreamnet.cli.down import stop_limit_s
from dreamnet.root import is_same_process, living_node, living_root

Run = Callable[..., Any]
LIMIT_S = 60.0


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.perf_counter() + LIMIT_S
    while not condition():
        assert time.perf_counter() < end, what
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[Path]:
    api, gateway = _free_ports(2)
    (tmp_path / "dreamnet.toml").write_text(
        f'[node]\nlisten = "127.0.0.1:{api}"\n[gateway]\nlisten = "127.0.0.1:{gateway}"\n'
        f'[services.web]\nroute = "web.localhost"\nhealth = {{ ready = "/" }}\nreplicas = 1\n'
        f'run = "{sys.executable} -m http.server --bind 127.0.0.1 $PORT"\n'
    )
    # names of our own modules in the user's folder: none of them may be imported instead
    for name in ("click", "secrets", "dreamnet"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    run("down")
    for pid in look(tmp_path / ".dreamnet").served.values():
        os.kill(pid, signal.SIGKILL)


def test_a_life_in_the_background(folder: Path, run: Run) -> None:
    data = folder / ".dreamnet"
    said = run("up", "--detach", "--json")
    assert said.code == 0, said.err
    assert said.json["pid"] == living_node(data)
    assert said.json["services"] == [{"name": "web", "ready": 1, "desired": 1}]
    assert run("status", "--json").code == 0
    until(lambda: look(data).served.keys() >= {"gateway", "waiting room", "web/1"}, "all serve")

    again = run("up", "--detach")
    assert again.code == 1
    assert "runs here already" in again.err
    assert "dreamnet down" in again.err

    served = look(data).served
    assert run("down", "--node-only", "--json").json["left"]["served"] == served
    absent = run("status")
    assert absent.code == 3
    assert f"web/1 (pid {served['web/1']})" in absent.err

    assert run("up", "-d").code == 0
    assert look(data).served == served, "the next node takes over what runs"
    assert run("down").code == 0
    assert not look(data).is_anything
    assert run("down").out == "nothing runs here\n"


def test_a_service_that_is_not_up_is_named_and_fails_nothing(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamnet.cli.started.wait_services.__defaults__", (2.0,))
    with (folder / "dreamnet.toml").open("a") as settings:
        settings.write('[services.broken]\nrun = "false"\nroute = "broken.localhost"\n')
    said = run("up", "--detach")
    assert said.code == 0, said.err
    assert "NOT UP      broken 0/1: " in said.out
    assert "dreamnet dreams" in said.err


def test_down_stops_what_a_killed_node_left(folder: Path, run: Run) -> None:
    data = folder / ".dreamnet"
    assert run("up", "--detach").code == 0
    until(lambda: "web/1" in look(data).served, "the service runs")
    root, node = living_root(data), living_node(data)
    assert root
    assert node
    os.kill(root, signal.SIGKILL)
    os.kill(node, signal.SIGKILL)
    until(lambda: not look(data).is_supervised, "both are dead")
    said = run("down")
    assert (said.code, said.out) == (0, "stopped\n")
    assert not look(data).is_anything


def test_in_the_foreground_sigint_stops_everything(folder: Path) -> None:
    data = folder / ".dreamnet"
    command = [sys.executable, "-P", "-m", "dreamnet", "up"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as up:
        until(lambda: "web/1" in look(data).served, "the service runs")
        up.send_signal(signal.SIGINT)
        assert up.stderr is not None
        said = up.stderr.read().decode()
    assert up.returncode == 0
    assert "node is up" in said, "the node's output is passed through"
    assert not look(data).is_anything


@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_wrong_settings_are_2_before_anything_starts(folder: Path, detach: list[str]) -> None:
    with (folder / "dreamnet.toml").open("a") as settings:
        settings.write("nonsense = 1\n")
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "dreamnet", "up", *detach],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "nonsense" in ran.stderr
    assert "dreamnet.toml:" in ran.stderr
    assert not look(folder / ".dreamnet").is_anything


def test_detached_complaints_are_json_too(folder: Path, run: Run) -> None:
    with (folder / "dreamnet.toml").open("a") as settings:
        settings.write("nonsense = 1\n")
    said = run("up", "--detach", "--json")
    assert (said.code, said.out) == (2, "")
    assert "nonsense" in said.error["what"]


def test_settings_that_are_no_toml_make_no_folder(folder: Path, run: Run) -> None:
    (folder / "dreamnet.toml").write_text("[node\n")
    said = run("up")
    assert said.code == 2
    assert "dreamnet.toml:1" in said.err
    assert not (folder / ".dreamnet").exists()


def test_a_taken_port_is_told(folder: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = folder / "dreamnet.toml"
        text = settings.read_text().splitlines()
        settings.write_text("\n".join([text[0], f'listen = "127.0.0.1:{port}"', *text[2:]]))
        said = run("up", "--detach")
    assert said.code == 2
    assert str(port) in said.err


def test_a_held_data_directory_is_1(folder: Path, run: Run) -> None:
    data = folder / ".dreamnet"
    data.mkdir()
    with (data / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = run("up", "--detach")
    assert said.code == 1
    assert "another node" in said.err


def test_a_data_directory_that_cannot_be_made_is_2(folder: Path, run: Run) -> None:
    (folder / ".dreamnet").write_text("a file")
    for arguments in (["up"], ["up", "--detach"]):
        said = run(*arguments)
        assert said.code == 2
        assert "data directory cannot be used" in said.err


def test_a_data_directory_of_somebody_else_is_2(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else `down` would say that nothing runs here."""
    (folder / ".dreamnet").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        said = run("down")
    assert said.code == 2
    assert "may not be read" in said.err


@pytest.mark.parametrize(
    ("settings", "limit_s"),
    [
        ("", 60),
        ('[services.a]\ngrace = "10s"\n', 60),
        ('[services.a]\ngrace = "90s"\n[services.b]\ngrace = "2m"\n[services.c]\n', 160),
        ('[services.a]\ngrace = "long"\n', 60),
        ("services = 1\n", 60),
        ("[services\n", 60),
        ("[services]\na = 1\n", 60),
    ],
)
def test_down_waits_longer_than_the_slowest_service(
    tmp_path: Path, settings: str, limit_s: float
) -> None:
    (tmp_path / "dreamnet.toml").write_text(settings)
    assert stop_limit_s(tmp_path / "dreamnet.toml") == limit_s


def test_an_instance_that_is_gone_is_no_remains(tmp_path: Path) -> None:
    run = tmp_path / "instances" / "web-1" / "run"
    run.mkdir(parents=True)
    stat = Path(f"/proc/{os.getpid()}/stat").read_text().strip()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record = {"service": "web", "slot": 1, "boot_id": boot}
    (run.parent / "instance.json").write_text(json.dumps(record))
    (run / "pid").write_text(f"{os.getpid()}\n{stat}\n{stat}\nend\n")
    assert look(tmp_path).served == {"web/1": os.getpid()}
    (run.parent / "instance.json").write_text(json.dumps({**record, "boot_id": "another"}))
    assert look(tmp_path).served == {}
    (run / "pid").write_text("damaged")
    assert look(tmp_path).served == {}
    assert not is_same_process(2**22 + 1, None, None)
