"""What a new user met on the first day: every answer says what is so and what comes next."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_world import SERVICE, Reply, World, problem

from dreamnet.cli.node import Node, find_node
from dreamnet.cli.output import instant
from dreamnet.cli.started import wait_services

Run = Callable[..., Any]


def test_a_stop_on_purpose_ends_the_waiting(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_: Node, __: str) -> None:
        (world.data_dir / "node.json").unlink(missing_ok=True)

    monkeypatch.setattr("dreamnet.cli.waiting._ask", stopped)
    monkeypatch.setattr("dreamnet.cli.waiting.STOPPED_S", 0.0)
    world.works("claimed")
    said = run("restart", "shop")
    assert said.code == 3
    assert "the node was stopped meanwhile" in said.err
    assert "mend: dreamnet up" in said.err


def test_services_are_waited_for_up_to_a_limit(world: World) -> None:
    late = {**SERVICE, "ready": 0}
    world.in_turn("/api/services", Reply({"services": [late]}), Reply({"services": [SERVICE]}))
    node = find_node(world.data_dir)
    assert wait_services(node) == [SERVICE]
    world.routes["/api/services"] = Reply({"services": [late]})
    assert wait_services(node, 0.0) == [late]


def test_no_dreams_of_a_node_that_is_not_ready_proves_nothing(world: World, run: Run) -> None:
    world.routes["/api/dreams"] = Reply({"dreams": []})
    said = run("dreams")
    assert (said.code, said.out, said.err) == (0, "no dreams\n", "")
    world.routes["/api/status"] = world.status(ready=False)
    said = run("dreams")
    assert said.out == "no dreams\n"
    assert "store: away" in said.err


def test_an_unknown_dream_names_the_command_that_lists_them(world: World, run: Run) -> None:
    world.routes["/api/dreams/nope"] = problem(404, "no such dream", mend="GET /api/dreams")
    said = run("dreams", "nope")
    assert said.code == 1
    assert "dreamnet dreams" in said.err
    assert "/api/" not in said.err


def test_a_target_names_its_slot(world: World, run: Run) -> None:
    world.works("succeeded")
    assert run("restart", "shop/2").code == 0
    assert world.seen[0].body["input"] == {"action": "restart", "service": "shop", "slot": 2}
    world.routes["/api/logs/shop"] = Reply(b"", kind="application/x-ndjson")
    assert run("logs", "shop/2").code == 0
    assert world.seen[-1].query["slot"] == "2"
    for words in (["shop/x"], ["shop/0"], ["shop/1", "--slot", "2"]):
        assert run("restart", *words).code == 2


def test_fewer_than_no_instances_is_told_in_words(world: World, run: Run) -> None:
    said = run("scale", "shop", "-1")
    assert said.code == 2
    assert "0 or more" in said.err


def test_a_halt_is_told_in_local_time(world: World, run: Run) -> None:
    record = {"reason": "work", "at": "2026-01-02T03:04:05.123456+00:00", "by": "ann"}
    (world.data_dir / "halt").write_text(json.dumps(record))
    world.routes["/api/status"] = world.status(halted=True)
    assert f"halted by user ann, {instant(record['at'])}: work" in run("status").err


def test_a_wrong_shape_is_told_once(world: World, run: Run) -> None:
    errors = [{"field": "slot", "what": "too small", "mend": "1 or more"}]
    world.routes["/api/agent"] = problem(422, "slot: too small", errors=errors)
    said = run("restart", "shop")
    assert said.err.count("too small") == 1
    assert "mend: 1 or more" in said.err
