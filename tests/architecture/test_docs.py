"""What the documents say about the house is what the house is."""

from __future__ import annotations

import re
import tomllib

import pytest

from house import ROOT, SOURCE
from tools.write_tree import tree, with_tree

_ARCHITECTURE = ROOT / "docs" / "architecture.md"
_DECISIONS = ROOT / "docs" / "decisions"


def _sketches() -> list[tuple[str, str, str]]:
    text = _ARCHITECTURE.read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (`.*?) \| (.*?) \| (.*?) \|$", text.partition("## Where")[2], re.MULTILINE
    )
    return [(sketch, place, built) for sketch, place, built in rows]


def test_the_tree_is_the_tree() -> None:
    text = _ARCHITECTURE.read_text(encoding="utf-8")
    assert with_tree(text, tree()) == text, "run `make tree`"


@pytest.mark.parametrize(("sketch", "place", "built"), _sketches())
def test_what_is_built_exists(sketch: str, place: str, built: str) -> None:
    folders = re.findall(r"`([a-z/]+)/?`", place)
    function = re.search(r"→ `(\w+)`", sketch)
    assert built == "not built" or built.startswith("yes")
    if function:
        assert _has(folders[0], function[1]) == built.startswith("yes"), place
    elif built.startswith("yes"):
        assert [name for name in folders if not (SOURCE / name).is_dir()] == []


def _has(folder: str, function: str) -> bool:
    text = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / folder).glob("*.py"))
    return re.search(rf"^def {function}\(", text, re.MULTILINE) is not None


def test_sketches_are_listed() -> None:
    assert len(_sketches()) >= 8


def test_decisions_are_numbered_and_listed() -> None:
    records = sorted(path.name for path in _DECISIONS.glob("0*.md"))
    assert [name[:4] for name in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    listed = re.findall(r"\]\((0\d{3}-[\w-]+\.md)\)", (_DECISIONS / "README.md").read_text())
    assert sorted(listed) == records


@pytest.mark.parametrize("record", sorted(path.name for path in _DECISIONS.glob("0*.md")))
def test_a_decision_says_what_why_and_what_it_costs(record: str) -> None:
    text = (_DECISIONS / record).read_text(encoding="utf-8")
    assert text.startswith(f"# {record[:4]}: ")
    assert "**Decided.**" in text
    assert "**Costs.**" in text
    assert len(text.splitlines()) <= 60, "a record is short"


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(
            r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")
        )
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_the_changelog_knows_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
