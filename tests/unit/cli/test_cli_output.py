"""What people read: tables on a terminal and in a pipe, times and sizes in words."""

from __future__ import annotations

import pytest

from dreamnet.cli import output


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.9, "59s"), (60, "1m 0s"), (3725, "1h 2m"), (90000, "1d 1h"), (None, "")],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert output.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (2048, "2 KiB"), (50 * 2**20, "50 MiB"), (2**31, "2.0 GiB"),
     (None, "")],
)  # fmt: skip
def test_sizes(count: int | None, words: str) -> None:
    assert output.size(count) == words


def test_an_instant_that_is_none_stays() -> None:
    assert output.instant("soon") == "soon"
    assert output.instant("2026-01-02T03:04:05") == output.instant("2026-01-02T03:04:05Z")


def test_a_terminal_gets_colours_and_whole_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    name = "dream-1m826rra7hsd2mg5"
    output.show_table(("id", "phase", "last"), [[name, "resolved", "many words " * 9]])
    said = capsys.readouterr().out
    assert "\x1b[" in said
    assert name in said


def test_a_pipe_gets_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_table(("a", "b"), [["1", ""], ["long", None]])
    assert capsys.readouterr().out == "A     B\n1     -\nlong  -\n"
