"""The pulse of a node, beat by beat, against a listener that answers when the test says so."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamnet.root.pulse import BEAT_S, MISSES, Pulse

ANSWER = b"HTTP/1.1 503 Later\r\n\r\n"


class Rig:
    """A pulse on this very process, a listener as its node, and the time."""

    def __init__(self, folder: Path) -> None:
        self.record = folder / "node.json"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.now = 100.0
        self.waited = 0.0
        self.pulse = Pulse(self.record, os.getpid(), self.now, lambda _: self.waited)

    def name(self, url: str | None = None, pid: int | None = None) -> None:
        host, port = self.listener.getsockname()
        record = {"pid": os.getpid() if pid is None else pid, "url": url or f"http://{host}:{port}"}
        self.record.write_text(json.dumps(record))

    def beats(self, number: int, *, late_s: float = 0.0, waited_s: float = 0.0) -> None:
        for _ in range(number):
            self.now += BEAT_S + late_s
            self.waited += waited_s
            self.pulse.beat(self.now)

    def answer(self, what: bytes = ANSWER) -> bytes:
        """Answer the oldest question that nobody has taken yet; returns the question."""
        connection, _ = self.listener.accept()
        with connection:
            question = connection.recv(1000)
            if what:
                connection.sendall(what)
        return question


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.pulse.close()
    made.listener.close()


def test_it_asks_for_liveness(rig: Rig) -> None:
    rig.name()
    rig.beats(1)
    assert rig.answer().startswith(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1:")


def test_silence_is_lost_after_so_many_beats_and_not_before(rig: Rig) -> None:
    rig.name()
    rig.beats(MISSES)
    assert not rig.pulse.is_lost
    rig.beats(1)
    assert rig.pulse.is_lost
    asked = len(rig.pulse.handles)
    rig.beats(50)  # killed, but its disk holds it
    assert len(rig.pulse.handles) == asked


def test_any_answer_at_any_time_starts_the_count_again(rig: Rig) -> None:
    rig.name()
    rig.beats(MISSES)
    rig.answer()  # to the first question, four beats late
    rig.beats(MISSES)
    assert not rig.pulse.is_lost
    assert len(rig.pulse.handles) <= MISSES


def test_a_connection_that_ends_without_a_word_is_no_answer(rig: Rig) -> None:
    rig.name()
    for _ in range(MISSES):
        rig.beats(1)
        rig.answer(b"")
    rig.beats(1)
    assert rig.pulse.is_lost


def test_nobody_listening_is_no_answer(rig: Rig) -> None:
    rig.name()
    rig.listener.close()
    rig.beats(MISSES + 1)
    assert rig.pulse.is_lost
    assert rig.pulse.handles == []


def test_beats_that_come_late_blame_nobody(rig: Rig) -> None:
    """The machine slept, or root was not let run: the node may not have been either."""
    rig.name()
    rig.beats(10 * MISSES, late_s=BEAT_S + 0.1)
    assert not rig.pulse.is_lost


def test_a_starved_node_is_given_four_times_as_long(rig: Rig) -> None:
    """On an overloaded machine it waits for a processor; a restart would make that worse."""
    rig.name()
    rig.beats(4 * MISSES, waited_s=BEAT_S * 0.9)
    assert not rig.pulse.is_lost
    rig.beats(1, waited_s=BEAT_S * 0.9)
    assert rig.pulse.is_lost
    assert rig.pulse.silence == f"did not answer for {4 * MISSES * BEAT_S:.0f} s"


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"pid": 1, "url": "http://127.0.0.1:1"}'])
def test_a_node_without_a_record_of_its_own_is_not_asked(rig: Rig, damage: str) -> None:
    rig.record.write_text(damage)
    rig.beats(10 * MISSES)
    assert not rig.pulse.is_lost
    assert rig.pulse.handles == []


def test_a_record_without_a_place_is_not_asked(rig: Rig) -> None:
    rig.record.write_text(json.dumps({"pid": os.getpid()}))
    rig.beats(10 * MISSES)
    assert not rig.pulse.is_lost


def test_a_record_that_goes_away_ends_the_count(rig: Rig) -> None:
    """The last thing a node does that stops on purpose."""
    rig.name()
    rig.beats(MISSES)
    rig.record.unlink()
    rig.beats(MISSES)
    assert not rig.pulse.is_lost


def test_many_questions_at_one_beat_are_one(rig: Rig) -> None:
    rig.name()
    rig.beats(1)
    for _ in range(100):
        rig.pulse.beat(rig.now + 0.1)
    assert len(rig.pulse.handles) == 1
