"""Events arrive once each, in order, across broken connections."""

from __future__ import annotations

from itertools import islice

import pytest
from client_stub_node import Reply, Seen, StubNode
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.client import AnswerError, ApiProblem, Client, Event, NodeUnreachable, Patience
from dreamnet.client.events import EventParser

QUICK = Patience(idle=5, reconnect=0.01, give_up=0.5)


def stream(text: str, status: int = 200) -> Reply:
    return Reply(status, raw=text.encode(), content_type="text/event-stream; charset=utf-8")


def test_events_are_parsed(node: StubNode, client: Client) -> None:
    node.script(
        stream(': hello\n\nid: 1\nevent: dream\ndata: {"a": 1}\n\ndata: x\r\ndata: y\r\n\r\n'),
        Reply(204),
    )
    events = list(client.events(patience=QUICK))
    assert events == [Event("1", "dream", '{"a": 1}'), Event("1", "message", "x\ny")]
    assert events[0].json() == {"a": 1}
    with pytest.raises(AnswerError, match="no JSON"):
        events[1].json()


def test_reconnects_after_the_last_complete_event(node: StubNode, client: Client) -> None:
    node.script(
        stream("id: 1\ndata: a\n\nid: 2\ndata: b"), stream("id: 2\ndata: b\n\n"), Reply(204)
    )
    assert [each.data for each in client.events("0", patience=QUICK)] == ["a", "b"]
    asked = [each.headers.get("Last-Event-Id") for each in node.seen]
    assert asked == ["0", "1", "2"]


def test_the_node_may_set_the_wait(node: StubNode, client: Client) -> None:
    node.script(stream("retry: 1\ndata: a\n\n"), stream("data: b\n\n"), Reply(204))
    slow = Patience(reconnect=60)
    assert [each.data for each in client.events(patience=slow)] == ["a", "b"]


def test_a_restarting_node_is_waited_for(node: StubNode, client: Client) -> None:
    node.script(
        stream("id: 1\ndata: a\n\n"), Reply(503, {"title": "starting"}), stream("data: b\n\n")
    )
    events = client.events(patience=QUICK)
    assert [each.data for each in islice(events, 2)] == ["a", "b"]


def test_a_node_that_stays_away_ends_the_iteration(node: StubNode, client: Client) -> None:
    node.script(stream("data: a\n\n"), Reply(503, {"title": "starting"}))
    with pytest.raises(ApiProblem, match="starting"):
        list(client.events(patience=QUICK))


def test_the_first_connection_fails_at_once() -> None:
    with pytest.raises(NodeUnreachable):
        next(iter(Client("http://127.0.0.1:1").events()))


def test_a_refusal_is_final(node: StubNode, client: Client) -> None:
    node.script(stream("data: a\n\n"), Reply(401, {"title": "Unauthorized"}))
    events = iter(client.events(patience=QUICK))
    assert next(events).data == "a"
    with pytest.raises(ApiProblem, match="Unauthorized"):
        next(events)


def test_silence_is_taken_for_a_dead_connection(node: StubNode, client: Client) -> None:
    def answer(seen: Seen) -> Reply:
        if len(node.seen) > 1:
            return Reply(204)
        # Content promised and never sent: the connection stays open without a byte.
        hold.wait(10)
        return stream("data: late\n\n")

    import threading

    hold = threading.Event()
    node.answer = answer
    with pytest.raises(NodeUnreachable, match="did not answer"):
        list(client.events(patience=Patience(idle=0.2)))
    hold.set()


def test_other_content_is_refused(node: StubNode, client: Client) -> None:
    node.script(Reply(body={}))
    with pytest.raises(AnswerError, match="no event stream"):
        next(iter(client.events()))


def test_endless_lines_are_refused(node: StubNode, client: Client) -> None:
    node.script(stream("data: " + "x" * (2**20 + 10)))
    with pytest.raises(AnswerError, match="longer than"):
        next(iter(client.events()))


def test_leaving_the_iteration_closes_the_connection(node: StubNode, client: Client) -> None:
    node.script(stream("data: a\n\ndata: b\n\n"))
    events = client.events()
    assert next(iter(events)).data == "a"
    events.close()  # an open socket would be a ResourceWarning, hence an error


line_text = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(line_text, st.lists(line_text, min_size=1, max_size=3)), max_size=5))
def test_what_is_written_by_the_rules_is_read_back(script: list[tuple[str, list[str]]]) -> None:
    parser = EventParser()
    read: list[Event] = []
    for event_id, data in script:
        lines = [f"id: {event_id}", *(f"data: {each}" for each in data), ""]
        read += [event for line in lines if (event := parser.feed(line)) is not None]
    assert read == [Event(one, "message", "\n".join(data)) for one, data in script]


@given(st.lists(line_text, max_size=20))
def test_no_line_breaks_the_parser(lines: list[str]) -> None:
    parser = EventParser()
    for line in lines:
        parser.feed(line)
    parser.restart()
    assert parser.feed("") is None
