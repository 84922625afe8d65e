"""The size gate sees what is too large, and lets pass only what has a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_size import Excuse, Measure, judge, measure, read_excuses

_DEEP = """
def deep(items):
    for one in items:
        if one:
            while one:
                with one:
                    pass
"""
_LADDER = """
def ladder(x):
    if x == 1:
        return 1
    elif x == 2:
        return 2
    elif x == 3:
        return 3
    elif x == 4:
        return 4
"""
_CLASS = """
class Shop:
    def sell(self, a, b, c, d, e):
        "Five beside self."

    @staticmethod
    def count(a, b, *, c, d, e, f):
        "Six."
"""


def _sizes(tmp_path: Path, text: str) -> dict[tuple[str, str], int]:
    file = tmp_path / "noun.py"
    file.write_text(text)
    return {(one.rule, one.name): one.size for one in measure(file, "noun.py", whole=True)}


def test_nesting_counts_blocks(tmp_path: Path) -> None:
    assert _sizes(tmp_path, _DEEP)["nesting", "noun.py::deep"] == 4


def test_a_ladder_of_elif_is_one_deep(tmp_path: Path) -> None:
    assert _sizes(tmp_path, _LADDER)["nesting", "noun.py::ladder"] == 1


def test_self_is_no_parameter(tmp_path: Path) -> None:
    sizes = _sizes(tmp_path, _CLASS)
    assert sizes["parameters", "noun.py::Shop.sell"] == 5
    assert sizes["parameters", "noun.py::Shop.count"] == 6


def test_a_docstring_is_no_code(tmp_path: Path) -> None:
    text = 'def talk():\n    """One.\n\n    ' + "word\n    " * 50 + '"""\n    return 1\n'
    assert _sizes(tmp_path, text)["function-lines", "noun.py::talk"] == 2


def test_too_large_names_place_and_mend() -> None:
    [complaint] = judge([Measure("function-lines", "src/a.py::work", 7, 41)], {})
    assert complaint.startswith("src/a.py:7: work has function-lines 41, at most 40")
    assert "mend:" in complaint


def test_an_exception_holds_its_own_limit() -> None:
    excuses = {("file-lines", "src/a.py"): Excuse(450, "one table")}
    assert judge([Measure("file-lines", "src/a.py", 1, 450)], excuses) == []
    assert len(judge([Measure("file-lines", "src/a.py", 1, 451)], excuses)) == 1


def test_an_exception_without_use_is_refused() -> None:
    excuses = {("file-lines", "src/a.py"): Excuse(450, "one table")}
    assert "no longer needed" in judge([Measure("file-lines", "src/a.py", 1, 90)], excuses)[0]


def test_an_exception_needs_a_reason(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[exception]]\nwhere = "a.py"\nrule = "nesting"\nlimit = 9\nwhy = " "\n')
    with pytest.raises(ValueError, match="reason"):
        read_excuses(rules)
