"""Names of test modules: pytest imports them by their last name alone, so each is the only one."""

from __future__ import annotations

from collections import Counter

from house import ROOT

SHARED = {"conftest.py", "__init__.py"}  # pytest's own, one for each folder


def test_no_two_modules_of_the_tests_have_one_name() -> None:
    names = Counter(file.name for file in (ROOT / "tests").rglob("*.py"))
    assert [name for name, many in names.items() if many > 1 and name not in SHARED] == []
