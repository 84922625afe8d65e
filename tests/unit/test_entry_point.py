"""The entry point hides no broken import: only the missing extra gets the friendly line."""

from __future__ import annotations

import sys
from importlib import metadata
from types import ModuleType

import pytest

from dreamnet import __main__ as entry

_CLI = "dreamnet.cli.main"


class _Broken:
    """An import hook in whose world importing the CLI fails for want of `name`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, module: str, *_: object) -> None:
        if module == _CLI:
            raise ModuleNotFoundError(f"No module named {self.name!r}", name=self.name)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delitem(sys.modules, _CLI, raising=False)
    return monkeypatch


def _pretend(patch: pytest.MonkeyPatch, module: str, installed: set[str]) -> None:
    def distribution(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return name

    wanted = [
        "click>=8; extra == 'node'",
        "rich>=15; extra == 'node'",
        "psycopg; extra == 'postgres'",
    ]
    patch.setattr(sys, "meta_path", [_Broken(module), *sys.meta_path])
    patch.setattr(metadata, "requires", lambda _: wanted)
    patch.setattr(metadata, "distribution", distribution)


def test_the_extra_is_missing(
    lacking: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _pretend(lacking, "click", installed=set())
    assert entry.main() == 2
    said = capsys.readouterr().err
    assert "click and 1 more" in said
    assert 'pip install "dreamnet[node]"' in said


def test_a_module_of_ours_is_missing(lacking: pytest.MonkeyPatch) -> None:
    _pretend(lacking, "dreamnet.cli.lost", installed={"click", "rich"})
    with pytest.raises(ModuleNotFoundError, match=r"dreamnet\.cli\.lost"):
        entry.main()


def test_the_extra_is_whole_and_something_else_is_missing(lacking: pytest.MonkeyPatch) -> None:
    _pretend(lacking, "typo", installed={"click", "rich"})
    with pytest.raises(ModuleNotFoundError, match="typo"):
        entry.main()


def test_the_command_line_is_run(lacking: pytest.MonkeyPatch) -> None:
    cli = ModuleType(_CLI)
    cli.main = lambda: 5  # type: ignore[attr-defined]  # a module made by hand
    lacking.setitem(sys.modules, _CLI, cli)
    assert entry.main() == 5
