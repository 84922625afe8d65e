"""Every command against a stub that follows the contract: what it asks, says and returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_world import DREAM, ROW, Reply, World, action, problem

Run = Callable[..., Any]


def _asked(world: World) -> dict[str, Any]:
    return next(one.body for one in world.seen if one.path == "/api/agent")


# -- status


def test_status_shows_everything(world: World, run: Run) -> None:
    said = run("status")
    assert said.code == 0
    assert "ready  pid 9, up 1m 1s" in said.out
    line = next(line for line in said.out.splitlines() if line.startswith("shop"))
    assert line.split() == [
        "shop", "1/1", "1", "running", "well", "yes", "41", "9001", "1h", "2m", "50", "MiB", "-",
    ]  # fmt: skip


def test_status_shows_what_is_only_watched(world: World, run: Run) -> None:
    body = world.status().body
    well = {"name": "bank", "state": "well", "took_ms": 12.6, "output": "status 200"}
    well |= {"certificate_days": 12, "certificate_expiring": True, "what": "https://bank.example/"}
    new = {"name": "till", "state": "unknown", "took_ms": None, "output": ""}
    new |= {"certificate_days": None, "certificate_expiring": False, "what": "tcp 10.0.0.7:80"}
    world.routes["/api/status"] = Reply(body | {"watches": [well, new]})
    lines = run("status").out.splitlines()
    [bank] = [line.split() for line in lines if line.startswith("bank")]
    [till] = [line.split() for line in lines if line.startswith("till")]
    assert bank == [
        "bank",
        "well",
        "13",
        "ms",
        "12",
        "d",
        "EXPIRING",
        "status",
        "200",
        "https://bank.example/",
    ]
    assert till == ["till", "unknown", "-", "-", "-", "tcp", "10.0.0.7:80"]


def test_status_tells_of_the_heartbeat(world: World, run: Run) -> None:
    body = world.status().body
    lost = {"state": "undelivered", "output": "connection refused", "age_s": 250.0}
    world.routes["/api/status"] = Reply(body | {"heartbeat": lost})
    words = "heartbeat UNDELIVERED: connection refused, last delivered: 4m 10s ago"
    assert words in run("status").out
    new = {"state": "unknown", "output": "", "age_s": None}
    world.routes["/api/status"] = Reply(body | {"heartbeat": new})
    assert "heartbeat unknown, last delivered: none" in run("status").out


def test_status_writes_the_api_answer_as_json(world: World, run: Run) -> None:
    said = run("status", "--json")
    assert said.json["services"][0]["name"] == "shop"
    assert (said.code, said.err) == (0, "")


def test_a_node_that_is_not_ready_is_3(world: World, run: Run) -> None:
    world.routes["/api/status"] = world.status(ready=False)
    said = run("status")
    assert said.code == 3
    assert "NOT READY: store: away" in said.out
    assert run("status", "--json").code == 3


def test_no_colour_in_a_pipe(world: World, run: Run) -> None:
    assert "\x1b" not in run("status").out


def test_what_a_service_said_cannot_move_the_cursor(world: World, run: Run) -> None:
    hostile = {**DREAM, "last": "a\x1b[2Jb\nc"}
    world.routes["/api/dreams"] = Reply({"dreams": [hostile]})
    said = run("dreams")
    assert "\x1b" not in said.out
    assert len(said.out.splitlines()) == 2


# -- restart, scale


def test_restart_is_followed_to_its_end(world: World, run: Run) -> None:
    world.works("permitted", "claimed", "succeeded", detail="ready after 5 ms")
    said = run("restart", "shop", "--slot", "2")
    asked = {"action": "restart", "service": "shop", "slot": 2}
    assert _asked(world) == {"agent": "deploykeeper", "input": asked}
    assert (said.code, said.out) == (0, "restart shop/1: succeeded; ready after 5 ms\n")


def test_a_failed_restart_is_1(world: World, run: Run) -> None:
    world.works("failed", detail="not ready in time")
    said = run("restart", "shop")
    assert said.code == 1
    assert "failed; not ready in time" in said.out


def test_json_holds_the_outcome_and_nothing_else(world: World, run: Run) -> None:
    world.works("claimed", "succeeded")
    said = run("restart", "shop", "--json")
    assert said.json["outcome"]["phase"] == "succeeded"
    assert said.json["action"] == "act-1"


def test_no_wait_returns_at_once(world: World, run: Run) -> None:
    world.works("permitted")
    said = run("restart", "shop", "--no-wait")
    assert (said.code, said.out) == (0, "accepted: act-1\n")
    assert "/api/actions/act-1" not in [one.path for one in world.seen]


def test_what_waits_for_a_person_says_how_to_approve(world: World, run: Run) -> None:
    world.works("proposed")
    said = run("restart", "shop")
    assert said.code == 0
    assert "dreamnet reef approve act-1" in said.out


def test_a_busy_node_is_asked_again(world: World, run: Run) -> None:
    world.works("succeeded")
    busy = problem(503, "starting", {"Retry-After": "0"})
    world.in_turn("/api/actions/act-1", busy, Reply(action("succeeded")))
    assert run("restart", "shop").code == 0


def test_retry_after_is_respected(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("dreamnet.cli.waiting.time.sleep", slept.append)
    world.works("succeeded")
    busy = problem(503, "starting", {"Retry-After": "3"})
    world.in_turn("/api/actions/act-1", busy, Reply(action("succeeded")))
    assert run("restart", "shop").code == 0
    assert slept == [3.0]


def test_a_refusal_says_why_how_and_when(world: World, run: Run) -> None:
    refusal = problem(409, "shop/1 is held", {"Retry-After": "4"}, mend="wait for it")
    world.routes["/api/agent"] = refusal
    said = run("restart", "shop")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "dreamnet: Conflict: shop/1 is held\n  mend: wait for it; try again in 4 s\n"
    )


def test_a_wrong_name_says_what_exists(world: World, run: Run) -> None:
    world.routes["/api/agent"] = problem(404, 'there is no service "x"', exists=["shop", "web"])
    assert "there is: shop, web" in run("restart", "x").err


def test_scale_sends_the_number(world: World, run: Run) -> None:
    world.works("succeeded")
    assert run("scale", "shop", "3").code == 0
    assert _asked(world)["input"] == {"action": "scale", "service": "shop", "replicas": 3}


@pytest.mark.parametrize("count", ["-1", "two"])
def test_scale_takes_whole_numbers(world: World, run: Run, count: str) -> None:
    assert run("scale", "--", "shop", count).code == 2


def test_ctrl_c_says_that_the_work_goes_on(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    world.works("claimed")
    monkeypatch.setattr("dreamnet.cli.waiting.time.sleep", interrupted)
    said = run("restart", "shop")
    assert said.code == 130
    assert "goes on without you" in said.err


# -- agent


def test_agent_takes_words_and_json(world: World, run: Run) -> None:
    world.routes["/api/agent"] = Reply({"agent": "envkeeper", "ok": True, "result": {}})
    run("agent", "envkeeper", "action=validate", "deep=true", "count=3", "name=3a")
    run("agent", "envkeeper", '{"action": "validate"}', "--idempotency-key", "k1")
    first, second = (one for one in world.seen if one.path == "/api/agent")
    assert first.body["input"] == {"action": "validate", "deep": True, "count": 3, "name": "3a"}
    assert second.body["input"] == {"action": "validate"}
    assert second.headers["Idempotency-Key"] == "k1"


def test_an_answer_that_is_not_ok_is_1(world: World, run: Run) -> None:
    world.routes["/api/agent"] = Reply({"agent": "dreamkeeper", "ok": False, "result": {"a": 1}})
    said = run("agent", "dreamkeeper", "check=x")
    assert said.code == 1
    assert said.json["result"] == {"a": 1}


@pytest.mark.parametrize("words", [("nonsense",), ("a=1", "a=2"), ("{broken",), ("=x",)])
def test_agent_refuses_broken_input(world: World, run: Run, words: tuple[str, ...]) -> None:
    said = run("agent", "envkeeper", *words)
    assert said.code == 2
    assert world.seen == []


def test_a_message_is_followed_until_it_is_delivered(world: World, run: Run) -> None:
    accepted = {"agent": "relaybot", "ok": True, "result": {}, "link": "/api/messages/m"}
    message = {"id": "m", "message": "hello", "to": "deploykeeper", "error": None}
    world.routes["/api/agent"] = Reply(accepted, 202)
    world.in_turn(
        "/api/messages/m",
        Reply({**message, "state": "queued", "done": False}),
        Reply({**message, "state": "delivered", "done": True}),
    )
    said = run("agent", "relaybot", "from=a", "to=b", "message=hello")
    assert (said.code, said.out) == (0, "hello deploykeeper: delivered\n")


# -- dreams, events, logs


def test_dreams_lists_phases(world: World, run: Run) -> None:
    world.routes["/api/dreams"] = Reply({"dreams": [DREAM]})
    assert "resolved" in run("dreams").out
    assert run("dreams", "--json").json["dreams"][0]["phase"] == "resolved"
    run("dreams", "--live", "--limit", "5")
    assert world.seen[-1].query == {"live": "true", "limit": "5"}


def test_a_dream_tells_its_story(world: World, run: Run) -> None:
    whole = {
        **DREAM,
        "story": [{"at": DREAM["opened"], "phase": "open", "words": "crash: killed"}],
        "tries": [
            {"at": DREAM["opened"], "remedy": "restart", "action": "act-1", "effective": True}
        ],
        "actions": [action("succeeded")],
        "messages": [
            {"at": DREAM["opened"], "from": "dreamkeeper", "to": "deploykeeper", "message": "ill",
             "state": "delivered", "error": None}
        ],
        "bundle": {"instances": [{"instance": "shop-1-abc", "state": "ended", "exit": "code 1",
                                  "live": {}, "ready": {}, "log": ["Traceback"]}]},
    }  # fmt: skip
    world.routes["/api/dreams/dream-1"] = Reply(whole)
    said = run("dreams", "dream-1")
    for words in ("crash: killed", "it helped", "act-1", "dreamkeeper -> deploykeeper: ill"):
        assert words in said.out
    assert "log: Traceback" in said.out
    assert run("dreams", "dream-1", "--json").json == whole


def test_following_one_dream_ends_with_it(world: World, run: Run) -> None:
    lines = [
        {"at": DREAM["opened"], "phase": phase, "words": phase} for phase in ("open", "resolved")
    ]
    world.in_turn(
        "/api/dreams/dream-1",
        Reply({**DREAM, "live": True, "story": lines[:1]}),
        Reply({**DREAM, "story": lines}),
    )
    said = run("dreams", "dream-1", "--follow", "--json")
    assert [json.loads(line)["phase"] for line in said.out.splitlines()] == ["open", "resolved"]


def test_events_are_rows(world: World, run: Run) -> None:
    world.routes["/api/ledger"] = Reply({"rows": [ROW]})
    assert "dream-1  open: crash: killed" in run("events").out
    assert json.loads(run("events", "--json", "-n", "3").out) == ROW
    assert world.seen[-1].query == {"limit": "3"}


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (
            "action-refused",
            {"proposal": {"verb": "restart", "target": "shop/1"}, "reason": "one is under way"},
            "restart was not let out: one is under way",
        ),
        ("traffic", {"serving": ["shop-1-a", "shop-2-b"], "wanted": 2}, "2 of 2 instances serve"),
        ("traffic", {"serving": [], "wanted": 1}, "0 of 1 instances serve"),
        ("traffic", {"other": 1}, '{"other": 1}'),
    ],
)
def test_rows_of_values_are_told_in_words(
    world: World, run: Run, kind: str, body: dict[str, Any], words: str
) -> None:
    world.routes["/api/ledger"] = Reply({"rows": [{**ROW, "kind": kind, "body": body}]})
    assert run("events").out.rstrip().endswith(f"dream-1  {words}")


def test_events_go_on_where_the_list_ends(world: World, run: Run) -> None:
    """The stream is ended by 204, as a node does that wants no new connection."""
    world.routes["/api/ledger"] = Reply({"rows": [ROW]})
    data = json.dumps({**ROW, "seq": 8})
    stream = f"retry: 1\n\nid: 8\nevent: dream\ndata: {data}\n\n".encode()
    world.in_turn("/api/events", Reply(stream, kind="text/event-stream"), Reply(b"", 204))
    said = run("events", "-f", "--json")
    assert [json.loads(line)["seq"] for line in said.out.splitlines()] == [7, 8]
    streams = [one for one in world.seen if one.path == "/api/events"]
    assert [one.headers["Last-Event-Id"] for one in streams] == ["7", "8"]


def test_logs_name_the_slot(world: World, run: Run) -> None:
    records = [{"instance": "shop-1-abc", "slot": 1, "line": "hello"},
               {"instance": "dreamnet", "slot": None, "line": "own"}]  # fmt: skip
    body = b"\n".join(json.dumps(one).encode() for one in records) + b"\n\n"
    world.routes["/api/logs/shop"] = Reply(body, kind="application/x-ndjson")
    assert run("logs", "shop", "-n", "5", "--slot", "1").out == "1 | hello\nown\n"
    assert world.seen[-1].query == {"lines": "5", "slot": "1"}
    assert [json.loads(x) for x in run("logs", "shop", "--json").out.splitlines()] == records


def test_following_logs_survives_a_break(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamnet.cli.logs.time.sleep", lambda _: None)
    line = json.dumps({"instance": "i", "slot": 1, "line": "hello"}).encode() + b"\n"
    stream = Reply(line, kind="application/x-ndjson")
    world.in_turn("/api/logs/shop", stream, stream, problem(404, "gone"))
    said = run("logs", "shop", "-f", "-n", "9")
    assert said.out == "1 | hello\n" * 2
    assert [one.query["lines"] for one in world.seen] == ["9", "0", "0"]


# -- reef


def test_reef_shows_offices_and_what_waits(world: World, run: Run) -> None:
    office = {"office": "scale", "mode": "suggest", "occupied": 1, "capacity": 4}
    waiting = action("proposed", at=DREAM["opened"], reason="asked")
    world.routes["/api/agents"] = Reply(
        {"agents": [], "offices": [office], "waiting": [waiting], "halted": False}
    )
    said = run("reef", "status")
    assert "1 waiting for a yes: dreamnet reef approve ACTION" in said.out
    assert "act-1" in said.out
    assert run("reef", "status", "--json").json["waiting"] == [waiting]


def test_status_says_what_waits_and_how_to_say_yes(world: World, run: Run) -> None:
    body = world.status().body
    body["waiting"] = [action("proposed", reason="crash: exit code 3")]
    world.routes["/api/status"] = Reply(body)
    words = "WAITS     restart shop/1 (crash: exit code 3); yes: dreamnet reef approve act-1"
    assert words in run("status").out.splitlines()


WOULD = {
    "id": "act-1", "at": "2026-01-02T03:04:05Z", "target": "shop/1", "symptom": "crash",
    "verb": "restart", "words": "still ill after \x1b[2J 75 s", "record": {"words": "no record"},
}  # fmt: skip


def test_what_would_have_been_done_is_a_table_and_a_line(world: World, run: Run) -> None:
    told = {"would": [WOULD], "summary": "1 would-be action: 1 still open"}
    world.routes["/api/dreams/would"] = Reply(told)
    said = run("dreams", "would", "--since", "12h")
    assert world.seen[-1].query == {"since": "12h"}
    assert "restart  no record  still ill after  [2J 75 s" in said.out
    assert said.out.endswith("\n\n1 would-be action: 1 still open\n")
    assert run("dreams", "would", "--json").json == told
    world.routes["/api/dreams/would"] = Reply({"would": [], "summary": "nothing"})
    assert run("dreams", "would").out == "nothing\n"


def test_the_word_show_may_be_left_out(world: World, run: Run) -> None:
    world.routes["/api/dreams"] = Reply({"dreams": [DREAM]})
    assert run("dreams", "show", "--live").out == run("dreams", "--live").out
    said = run("dreams", "--help")
    assert "would" in said.out
    assert "show" in said.out
    assert "--follow" in run("dreams", "show", "--help").out


def test_approve_follows_and_deny_does_not(world: World, run: Run) -> None:
    world.routes["/api/actions/act-1/approve"] = Reply(action("permitted"))
    world.routes["/api/actions/act-1"] = Reply(action("succeeded"))
    assert "succeeded" in run("reef", "approve", "act-1").out
    world.routes["/api/actions/act-1/deny"] = Reply(action("rejected"))
    assert run("reef", "deny", "act-1").out == "denied: restart shop/1\n"
