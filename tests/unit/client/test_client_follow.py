"""Accepted work is followed to its end, across a node's absence."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from client_stub_node import Reply, StubNode, stub_node

from dreamnet.client import AnswerError, ApiProblem, Client, NodeUnreachable, StillRunning


def test_polls_until_the_status_is_no_longer_202(node: StubNode, client: Client) -> None:
    node.script(Reply(202, {"phase": "a"}), Reply(202, {"phase": "b"}), Reply(200, {"ok": True}))
    told: list[Any] = []
    assert client.follow("/api/actions/1", on_answer=told.append) == {"ok": True}
    assert [each["phase"] for each in told] == ["a", "b"]


def test_done_false_means_not_yet(node: StubNode, client: Client) -> None:
    node.script(Reply(body={"done": False}), Reply(body={"done": True}))
    assert client.follow({"link": "/api/actions/1"}) == {"done": True}


def test_see_other_leads_to_the_result(node: StubNode, client: Client) -> None:
    node.script(Reply(303, None, {"Location": "/api/results/1"}), Reply(body=[1]))
    assert client.follow("/api/actions/1") == [1]
    assert [each.path for each in node.seen] == ["/api/actions/1", "/api/results/1"]


def test_a_problem_ends_it(node: StubNode, client: Client) -> None:
    node.script(Reply(404, {"title": "Unknown action"}))
    with pytest.raises(ApiProblem, match="Unknown action"):
        client.follow("/api/actions/1")


def test_work_that_does_not_end_is_reported_with_its_link(node: StubNode, client: Client) -> None:
    node.script(Reply(202, {}))
    with pytest.raises(StillRunning) as caught:
        client.follow("/api/actions/1", timeout=0.3)
    assert caught.value.link == "/api/actions/1"


def test_an_answer_without_link_cannot_be_followed(client: Client) -> None:
    with pytest.raises(AnswerError, match="no link"):
        client.follow({"ok": True})


def test_a_node_that_hangs_up_meanwhile_is_waited_for(node: StubNode, client: Client) -> None:
    cut = Reply(raw=b"{", headers={"Content-Length": "9"})
    node.script(Reply(202, {}), cut, cut, Reply(body={"ok": True}))
    assert client.follow("/api/actions/1") == {"ok": True}


def test_a_node_that_stays_away_is_unreachable() -> None:
    with stub_node() as node:
        node.script(Reply(202, {}))
        client = Client(node.url, timeout=1)
        gone = threading.Event()
    with pytest.raises(NodeUnreachable):
        client.follow("/api/actions/1", timeout=0.2, on_answer=lambda _: gone.set())
    assert not gone.is_set()
