"""The locks pin every file by hash, name no address, and follow pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from house import ROOT

LOCKS = ("requirements.lock", "requirements-node.lock")
_ADDRESS = re.compile(r"://|https?:|--(extra-)?index-url|--find-links|file:", re.IGNORECASE)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


def _text(lock: str) -> str:
    return (ROOT / lock).read_text(encoding="utf-8")


def _pins(lock: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in _PIN.findall(_text(lock))}


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_is_recorded(lock: str) -> None:
    assert [line for line in _text(lock).splitlines() if _ADDRESS.search(line)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_the_header_is_the_command(lock: str) -> None:
    assert _text(lock).splitlines()[1].strip("# ") == "make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    blocks = re.split(r"^(?=[^\s#])", _text(lock), flags=re.MULTILINE)
    pins = [block for block in blocks if not block.startswith("#") and block.strip()]
    assert pins
    assert [block.split()[0] for block in pins if "--hash=sha256:" not in block] == []
    assert [block.split()[0] for block in pins if not _PIN.match(block)] == []


def test_both_locks_agree() -> None:
    whole, node = _pins("requirements.lock"), _pins("requirements-node.lock")
    assert node.items() <= whole.items()
    assert not {"basedpyright", "ruff", "pytest"} & set(node)


def _wanted() -> list[tuple[str, str]]:
    project = _project()
    extras = project["project"]["optional-dependencies"]
    groups = project["dependency-groups"]
    node = [*extras["node"], *groups["setup"]]
    dev = [line for line in groups["dev"] if isinstance(line, str)]
    return [
        *(("requirements-node.lock", line) for line in node),
        *(("requirements.lock", line) for line in [*node, *extras["postgres"], *dev]),
    ]


@pytest.mark.parametrize(("lock", "line"), _wanted())
def test_the_lock_satisfies_pyproject(lock: str, line: str) -> None:
    need = Requirement(line)
    pinned = _pins(lock).get(canonicalize_name(need.name))
    assert pinned is not None, f"{need.name} is not in {lock}; run `make lock`"
    assert need.specifier.contains(pinned), f"{need} is not met by {pinned}; run `make lock`"


def test_the_library_alone_needs_nothing() -> None:
    assert _project()["project"]["dependencies"] == []
