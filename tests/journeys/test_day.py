"""A day with DreamNet: up, look, heal, change, down; on real processes and a real gateway."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from place import Place, place

from postgres import postgres_database, postgres_server, postgres_url

__all__ = ["postgres_database", "postgres_server", "postgres_url"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    is_postgresql = request.param == "postgresql"
    store = str(request.getfixturevalue("postgres_url")) if is_postgresql else ""
    with place(tmp_path, store=store) as made:
        yield made


def test_from_up_to_down_nothing_else_is_needed(here: Place) -> None:
    here.up()
    assert here.get() == 200
    assert here.json("status")["node"]["ready"] is True
    assert here.json("dreams")["dreams"] == []

    victim = here.pids()["shop/1"]
    os.kill(victim, signal.SIGKILL)
    here.until(lambda: here.resolved("shop/1"))
    assert here.pids()["shop/1"] != victim
    [dream] = here.json("dreams")["dreams"]
    assert (dream["phase"], dream["symptom"]) == ("resolved", "crash")

    said = here.json("agent", "dreamkeeper", "check=dreamnet-health", "target=self")
    assert said["ok"] is True
    before = here.pids()
    assert here.dreamnet("restart", "shop").returncode == 0
    here.until(here.serves)
    assert not set(before.values()) & set(here.pids().values())
    assert here.dreamnet("scale", "shop", "3").returncode == 0
    here.until(lambda: len(here.serving()) == 3)
    assert here.dreamnet("logs", "shop", "-n", "5").returncode == 0
    assert here.json("ledger", "verify")["broken_at"] is None

    assert here.dreamnet("down").returncode == 0
    here.until(lambda: not here.processes(), limit=15)
    assert here.get() == 0


def test_dreamnet_takes_all_file_handles_and_leaves_services_theirs(here: Place) -> None:
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    try:
        here.up()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
    service, node = here.pids()["shop/1"], psutil.Process(here.node_pid())
    [envoy] = [one for one in here.processes() if one.name().startswith("envoy")]
    assert file_limit(service) == 1000
    assert file_limit(node.pid) == file_limit(envoy.pid) == min(hard, 1_048_576)


def file_limit(pid: int) -> int:
    """Return the soft limit of a process."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    return next(int(line.split()[3]) for line in limits.splitlines() if "open files" in line)


def test_the_death_of_the_node_is_no_matter_for_users(here: Place) -> None:
    here.up()
    pids, node = here.pids(), here.node_pid()
    os.kill(node, signal.SIGKILL)
    answers = [here.get() for _ in range(50)]
    assert answers == [200] * 50
    here.until(lambda: here.ask("/api/status") and here.node_pid() != node)
    here.until(lambda: here.resolved("node"))
    assert here.pids() == pids, "instances were adopted, not started again"


def test_an_instance_that_dies_with_the_node_is_healed_by_the_next(here: Place) -> None:
    here.up()
    victim = here.pids()["shop/2"]
    os.kill(here.node_pid(), signal.SIGKILL)
    os.kill(victim, signal.SIGKILL)
    assert here.get() == 200
    here.until(lambda: here.resolved("shop/2"))
    here.until(here.serves)


def test_a_lost_root_is_taken_over_by_the_next_up(here: Place) -> None:
    here.up()
    node = here.node_pid()
    root = psutil.Process(node).parent()
    assert root is not None
    root.kill()
    root.wait(10)
    here.until(lambda: "nobody starts this node again" in str(here.ask("/api/status")))
    refused = here.dreamnet("restart", "dreamnet")
    assert refused.returncode == 1
    assert "dreamnet up" in refused.stderr
    done = here.dreamnet("up", "--detach")
    assert done.returncode == 0, done.stderr
    assert here.node_pid() == node
    os.kill(node, signal.SIGKILL)
    here.until(lambda: here.ask("/api/status") and here.node_pid() != node)


def test_only_the_node_can_be_stopped_and_comes_back_to_its_services(here: Place) -> None:
    here.up()
    pids = here.pids()
    assert here.dreamnet("down", "--node-only").returncode == 0
    assert here.ask("/api/status") is None
    assert here.get() == 200
    here.up()
    assert here.pids() == pids
    assert here.dreams() == [], "a stop on purpose is no story"


def test_halt_lets_nothing_out_until_resume(here: Place) -> None:
    here.up()
    assert here.dreamnet("halt", "--reason", "trying").returncode == 0
    os.kill(here.pids()["shop/1"], signal.SIGKILL)
    here.until(lambda: any("halted" in one["last"] for one in here.dreams()))
    assert here.get() == 200
    assert here.dreamnet("resume").returncode == 0
    here.until(lambda: here.resolved("shop/1"))


def test_a_second_up_says_that_one_runs(here: Place) -> None:
    here.up()
    done = here.dreamnet("up")
    assert done.returncode == 1
    assert "already" in done.stderr
    assert here.get() == 200


@pytest.mark.parametrize("which", ["api", "gateway"])
def test_a_taken_port_is_named_and_nothing_is_started(here: Place, which: str) -> None:
    port = here.api if which == "api" else here.gateway
    with socket.create_server(("127.0.0.1", port)):
        done = here.dreamnet("up", "--detach")
    assert done.returncode == 2
    assert str(port) in done.stderr
    here.until(lambda: not here.processes(), limit=15)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("replicas = 2", "replicsa = 2", "replicas"),
        ("replicas = 2", 'replicas = "many"', "replicas"),
        ("[services.shop]", "[services.shop", "dreamnet.toml:"),
        ('grace = "3s"', 'grace = "3 bananas"', "grace"),
    ],
)
def test_wrong_settings_fail_before_anything_starts(
    here: Place, old: str, new: str, said: str
) -> None:
    here.write(change=lambda text: text.replace(old, new))
    done = here.dreamnet("up", "--detach")
    assert done.returncode == 2
    assert said in done.stderr
    assert "dreamnet.toml:" in done.stderr
    assert not (here.data / "dreamnet.db").exists()
    assert not here.processes()


def test_a_command_that_exits_at_once_is_told_and_asked_about(here: Place) -> None:
    here.write('\n[services.broken]\nrun = "false"\nroute = "broken.localhost"\n')
    done = here.dreamnet("up", "--detach")
    assert done.returncode == 0, done.stderr

    def escalated() -> bool:
        return any(
            (one["target"], one["phase"]) == ("broken/1", "escalated") for one in here.dreams()
        )

    here.until(escalated)
    assert here.get() == 200, "one broken service does not hurt another"
    assert here.get(host="broken.localhost") == 503, "nobody waits for what does not come"
