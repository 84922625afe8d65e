"""The licence gate refuses what nobody has accepted."""

from __future__ import annotations

from email.message import Message
from pathlib import Path

import pytest

from tools.check_licences import (
    Part,
    Rules,
    claim_of,
    is_accepted,
    judge,
    read_rules,
    runtime_names,
)

_RULES = read_rules()


def _part(claim: str, name: str = "thing", *, runs: bool = True) -> Part:
    return Part(name, "1.0", claim, runs)


@pytest.mark.parametrize(
    "claim", ["MIT", "MIT OR GPL-3.0-only", "Apache-2.0 AND MIT", "MIT License"]
)
def test_accepted(claim: str) -> None:
    assert is_accepted(claim, _RULES)


@pytest.mark.parametrize(
    "claim",
    ["", "GPL-3.0-only", "AGPL-3.0-or-later", "MIT AND GPL-2.0-only", "UNKNOWN", "LGPL-3.0-only",
     "GNU General Public License v3 (GPLv3)", "(MIT OR GPL-2.0-only) AND GPL-3.0-only", "SSPL-1.0"],
)  # fmt: skip
def test_refused(claim: str) -> None:
    [complaint] = judge([_part(claim)], _RULES)
    assert "not accepted" in complaint
    assert "mend:" in complaint


def test_a_tool_must_not_come_along() -> None:
    rules = Rules(
        frozenset(), {}, {"thing": {"claim": "GPL-3.0-only", "use": "develop", "why": "x"}}
    )
    assert judge([_part("GPL-3.0-only", runs=False)], rules) == []
    assert "as a tool only" in judge([_part("GPL-3.0-only")], rules)[0]


def test_a_changed_licence_is_read_again() -> None:
    assert "is now 'GPL-3.0-only'" in judge([_part("GPL-3.0-only", "psycopg")], _RULES)[0]


def test_a_whole_text_is_no_name() -> None:
    meta = Message()
    meta["License"] = "Permission is hereby granted " * 10
    assert claim_of(meta) == ""  # type: ignore[arg-type]  # the metadata is such a message


def test_an_acceptance_needs_a_reason(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[allowed]\na = []\n[aliases]\n[single.x]\nclaim = "GPL"\nuse = "run"\nwhy = ""\n'
    )
    with pytest.raises(ValueError, match="why"):
        read_rules(rules)


def test_the_product_is_followed_to_the_end() -> None:
    assert {"aiohttp", "yarl", "multidict", "psycopg"} <= runtime_names()
    assert not {"pytest", "ruff"} & runtime_names()
