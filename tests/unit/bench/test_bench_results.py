"""The result writer: what a reader of the tables and of the JSON sees."""

from __future__ import annotations

import json
import math
import platform
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Figure
from bench.results import Report, Table, machine, replace_section

ROWS = [
    {"fault": "kill -9", "noticed": [30.0, 10.0, 20.0], "lost": [0, 0, 0]},
    {"fault": "a|b", "noticed": None, "lost": 2},
]
TABLE = Table("Faults", ROWS, {"noticed": "ms", "lost": "requests"})


def report(*tables: Table, **changes) -> Report:
    given_values = {
        "name": "heal",
        "tables": tables or (TABLE,),
        "command": "python -m bench.heal",
        "seed": 7,
        "when": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return Report(**given_values | changes)


def test_a_table_shows_median_spread_and_what_was_not_measured():
    text = report().markdown()
    assert "| fault | noticed, ms | lost, requests |" in text
    assert "| kill -9 | 20 (10\N{EN DASH}30) | 0 (0\N{EN DASH}0) |" in text
    assert "| a\\|b | \N{EN DASH} | 2 |" in text
    assert "least\N{EN DASH}greatest) of 1 to 3 runs" in text


def test_a_quartile_spread_names_the_worst_beside_it():
    values = [1.0, 2.0, 3.0, 4.0, 100.0]
    assert (
        Figure.of(values, "ms", "iqr", higher_is_better=False).text()
        == "3 (2\N{EN DASH}4, worst 100)"
    )
    assert (
        Figure.of(values, "/s", "iqr", higher_is_better=True).text() == "3 (2\N{EN DASH}4, worst 1)"
    )


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.sampled_from(["range", "iqr"]))
def test_the_median_lies_within_the_spread(values, spread):
    figure = Figure.of(values, "ms", spread, higher_is_better=False)
    assert figure.low <= figure.median <= figure.high
    assert figure.worst == max(values)


def test_values_that_are_no_numbers_are_refused():
    for values in ([], [math.nan], [math.inf]):
        with pytest.raises(ValueError, match="values in"):
            Figure.of(values, "ms", "range", higher_is_better=False)


def test_the_section_says_how_to_repeat_it_and_nothing_of_whose_machine():
    text = report().markdown()
    assert "Seed 7. Repeat with `python -m bench.heal`." in text
    assert "2026-01-02" in text
    assert platform.python_version() in text
    for secret in (socket.gethostname(), str(Path.home()), str(Path.cwd())):
        if len(secret) > 1:
            assert secret not in text
    assert set(machine()) == {"cores", "machine", "Python", "Envoy"}


def test_prose_around_the_section_stays(tmp_path):
    page = tmp_path / "docs" / "heal.md"
    page.parent.mkdir()
    page.write_text("# Heal\n\n<!-- figures:heal -->\nold\n<!-- /figures:heal -->\n\nProse.\n")
    beside = report().write(page)
    text = page.read_text()
    assert text.startswith("# Heal\n\n<!-- figures:heal -->\n**Faults**")
    assert text.endswith("<!-- /figures:heal -->\n\nProse.\n")
    assert "old" not in text
    report().write(page)
    assert page.read_text() == text
    assert sorted(path.name for path in page.parent.iterdir()) == ["heal-heal.json", "heal.md"]
    cell = json.loads(beside.read_text())["tables"][0]["rows"][0]["noticed"]
    assert cell["values"] == [30.0, 10.0, 20.0]
    assert (cell["median"], cell["worst"], cell["runs"]) == (20.0, 30.0, 3)


def test_a_missing_section_is_appended_and_a_missing_file_made(tmp_path):
    page = tmp_path / "new" / "heal.md"
    report().write(page)
    report(name="other").write(page)
    assert page.read_text().count("<!-- /figures:") == 2


@pytest.mark.parametrize(
    "text",
    [
        "<!-- figures:heal -->",
        "<!-- /figures:heal --><!-- figures:heal -->",
        "<!-- figures:heal --><!-- figures:heal --><!-- /figures:heal -->",
    ],
)
def test_marks_that_do_not_pair_are_refused_and_the_file_stays(tmp_path, text):
    page = tmp_path / "heal.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="once each"):
        report().write(page)
    assert page.read_text() == text
    assert list(tmp_path.iterdir()) == [page]


def test_a_backslash_in_content_is_kept():
    text = replace_section("<!-- figures:a -->x<!-- /figures:a -->", "a", r"\1 \g<0>")
    assert r"\1 \g<0>" in text


def test_tables_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        report(Table("t", [], {})).markdown()
    with pytest.raises(ValueError, match="is not"):
        report(Table("t", [{"a": 1}, {"b": 1}], {})).markdown()
    with pytest.raises(ValueError, match="no column"):
        report(Table("t", [{"a": 1}], {"b": "ms"})).markdown()
    with pytest.raises(TypeError, match="holds text"):
        report(Table("t", [{"a": "1"}], {"a": "ms"})).markdown()


def test_a_command_with_a_path_of_this_machine_is_refused():
    with pytest.raises(ValueError, match="path of this machine"):
        report(command=f"python {Path.cwd()}/bench/heal.py")
    with pytest.raises(ValueError, match="name"):
        report(name="no spaces")
