"""Calls carry what they should, and answers and errors are read right."""

from __future__ import annotations

import json
import socket

import pytest
from client_stub_node import Reply, StubNode

from dreamnet.client import AnswerError, ApiProblem, Client, NodeAddressError, NodeUnreachable


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_get_sends_token_and_parameters(node: StubNode, client: Client) -> None:
    node.script(Reply(body={"services": []}))
    answer = client.get("/api/services", limit=5, live=True, tag=["a", "b c"], none=None)
    assert answer == {"services": []}
    assert node.seen[0].path == "/api/services?limit=5&live=true&tag=a&tag=b+c"
    assert node.seen[0].headers["Authorization"] == "Bearer secret-token"


def test_get_without_token_sends_no_authorization(node: StubNode) -> None:
    Client(node.url).get("/api/services")
    assert "Authorization" not in node.seen[0].headers


def test_text_is_returned_as_text(node: StubNode, client: Client) -> None:
    node.script(Reply(raw=b"up 1\n", content_type="text/plain; version=0.0.4"))
    assert client.get("/metrics") == "up 1\n"


def test_non_ascii_paths_are_quoted(node: StubNode, client: Client) -> None:
    client.get("/api/services/\u00e9t\u00e9 1")
    assert node.seen[0].path == "/api/services/%C3%A9t%C3%A9%201"


def test_post_sends_json_and_idempotency_key(node: StubNode, client: Client) -> None:
    node.script(Reply(status=201, body={"id": 1}))
    assert client.post("/api/x", {"a": 1}, idempotency_key="key-1") == {"id": 1}
    seen = node.seen[0]
    assert (seen.method, seen.body) == ("POST", {"a": 1})
    assert seen.headers["Idempotency-Key"] == "key-1"
    assert seen.headers["Content-Type"] == "application/json"


def test_agent_posts_the_documented_shape(node: StubNode, client: Client) -> None:
    node.script(Reply(body={"agent": "envkeeper", "ok": True, "result": {}}))
    assert client.agent("envkeeper", {"action": "validate"}, "k")["ok"] is True
    assert node.seen[0].path == "/api/agent"
    assert node.seen[0].body == {"agent": "envkeeper", "input": {"action": "validate"}}


def test_location_of_accepted_work_becomes_its_link(node: StubNode, client: Client) -> None:
    node.script(Reply(202, {"ok": True}, {"Location": "/api/actions/7"}))
    assert client.post("/api/agent", {}) == {"ok": True, "link": "/api/actions/7"}


def test_the_link_in_the_body_wins_over_location(node: StubNode, client: Client) -> None:
    node.script(Reply(202, {"link": "/api/actions/8"}, {"Location": "/api/actions/7"}))
    assert client.post("/api/agent", {}) == {"link": "/api/actions/8"}


def test_accepted_without_body_still_gives_the_link(node: StubNode, client: Client) -> None:
    node.script(Reply(202, None, {"Location": "/api/actions/9"}))
    assert client.request("DELETE", "/api/x") == {"link": "/api/actions/9"}


def test_problem_is_raised_with_all_its_members(node: StubNode, client: Client) -> None:
    problem = {
        "type": "https://example.org/unknown-agent",
        "title": "Unknown agent",
        "status": 404,
        "detail": "there is no agent 'x'",
        "instance": "/api/agent",
        "agents": ["dreamkeeper"],
    }
    node.script(Reply(404, problem, content_type="application/problem+json"))
    with pytest.raises(ApiProblem, match=r"Unknown agent \(404\): there is no agent 'x'") as caught:
        client.agent("x", {})
    error = caught.value
    assert (error.status, error.title, error.type) == (404, "Unknown agent", problem["type"])
    assert error.extras == {"agents": ["dreamkeeper"]}


@pytest.mark.parametrize("body", [b"Internal Server Error", b""])
def test_errors_that_are_no_problem_json_become_problems(
    node: StubNode, client: Client, body: bytes
) -> None:
    node.script(Reply(500, raw=body, content_type="text/plain"))
    with pytest.raises(ApiProblem) as caught:
        client.get("/api/x")
    assert caught.value.status == 500
    assert caught.value.detail == body.decode()


def test_redirects_are_refused(node: StubNode, client: Client) -> None:
    node.script(Reply(302, None, {"Location": "http://127.0.0.1:1/steal"}))
    with pytest.raises(ApiProblem, match="redirects are not followed"):
        client.get("/api/x")
    assert len(node.seen) == 1


def test_broken_json_is_an_answer_error(node: StubNode, client: Client) -> None:
    node.script(Reply(raw=b"{nope"))
    with pytest.raises(AnswerError, match="broken JSON"):
        client.get("/api/x")


def test_no_node_says_how_to_start_one() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NodeUnreachable) as caught:
        Client(url).get("/api/x")
    assert str(caught.value) == f"no node answers at {url}: start one with `dreamnet up`"


def test_a_silent_node_is_unreachable_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        with pytest.raises(NodeUnreachable, match=r"within 0\.2 s"):
            client.get("/api/x")


def test_an_answer_cut_short_is_unreachable(node: StubNode, client: Client) -> None:
    node.script(Reply(raw=b"{}", headers={"Content-Length": "100"}))
    with pytest.raises(NodeUnreachable, match="broke off"):
        client.get("/api/x")


@pytest.mark.parametrize("link", ["http://127.0.0.1:1/api", "//evil.example/x", "https://evil/x"])
def test_no_link_leads_the_token_elsewhere(node: StubNode, client: Client, link: str) -> None:
    with pytest.raises(NodeAddressError, match="leads away"):
        client.get(link)
    assert node.seen == []


def test_absolute_links_to_the_node_itself_work(node: StubNode, client: Client) -> None:
    client.get(f"{node.url}/api/x?y=1")
    assert node.seen[0].path == "/api/x?y=1"


def test_loopback_ignores_proxies_of_the_environment(
    node: StubNode, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    node.script(Reply(body=1))
    assert Client(node.url).get("/api/x") == 1
    assert client.get("/api/x") == 1


def test_other_hosts_use_proxies_of_the_environment(
    node: StubNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", node.url)
    monkeypatch.delenv("no_proxy", raising=False)
    node.script(Reply(body="by proxy"))
    assert Client("http://node.example:7300").get("/api/x") == "by proxy"
    assert node.seen[0].path == "http://node.example:7300/api/x"


@pytest.mark.parametrize(
    "url", ["ftp://x", "127.0.0.1:7300", "http://", "http://u:p4ss@h", "http://h:x", "http://[::1"]
)
def test_wrong_addresses_are_refused_without_echo(url: str) -> None:
    with pytest.raises(NodeAddressError) as caught:
        Client(url)
    assert "p4ss" not in str(caught.value)


def test_paths_and_unprintable_tokens_are_refused() -> None:
    with pytest.raises(NodeAddressError, match="ends after the port"):
        Client("http://127.0.0.1:1/api")
    with pytest.raises(NodeAddressError, match="copy it again"):
        Client("http://127.0.0.1:1", token="a\nb")


def test_the_token_never_shows(client: Client) -> None:
    assert "secret-token" not in repr(client)
    assert "secret-token" not in repr(vars(client._transport))


def test_json_survives_the_round_trip(node: StubNode, client: Client) -> None:
    body = {"text": "\u00fc \u2028", "deep": [1, 2.5, None, True]}
    node.answer = lambda seen: Reply(body=seen.body)
    assert client.post("/api/echo", body) == json.loads(json.dumps(body))
