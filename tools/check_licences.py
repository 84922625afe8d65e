"""The licence gate: everything installed has a licence that Apache-2.0 software may stand on."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

RULES = Path(__file__).with_name("licences.toml")
PRODUCT = "dreamnet"
RUNTIME_EXTRAS = ("node", "postgres")
_SEED = {"pip", "setuptools", "wheel"}  # every environment brings them; DreamNet does not
_CLASSIFIER = "License :: "
_NO_NAMES = {"OSI Approved", "DFSG approved"}  # who approves, not what
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Part:
    """One installed distribution, what its licence claims, and whether DreamNet runs on it."""

    name: str
    version: str
    claim: str
    runs: bool


@dataclass(frozen=True)
class Rules:
    """What is accepted: licences for all, aliases, and single distributions with a reason."""

    allowed: frozenset[str]
    aliases: dict[str, str]
    single: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_rules(path: Path = RULES) -> Rules:
    """Read the rules; ValueError when an accepted distribution has no reason."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    single = {canonicalize_name(name): entry for name, entry in data.get("single", {}).items()}
    for name, entry in single.items():
        if entry.get("use") not in {"run", "develop"} or not entry.get("why", "").strip():
            raise ValueError(f'{path.name}: "{name}" needs use = "run" or "develop", and a why')
    allowed = {licence for names in data["allowed"].values() for licence in names}
    return Rules(frozenset(allowed), data["aliases"], single)


def claim_of(meta: metadata.PackageMetadata) -> str:
    """Return what a distribution says its licence is, as SPDX where it does so; may be empty."""
    expression = meta.get("License-Expression")
    if expression:
        return expression
    classifiers = [
        line for line in meta.get_all("Classifier") or [] if line.startswith(_CLASSIFIER)
    ]
    names = [line.split(" :: ")[-1] for line in classifiers]
    named = [name for name in names if name not in _NO_NAMES]
    if named:
        return " AND ".join(named)
    text = (meta.get("License") or "").strip()
    # Some put the whole text where the name belongs; that is not a name.
    return text if len(text) <= _LONGEST_NAME and "\n" not in text else ""


def _is_allowed(name: str, rules: Rules) -> bool:
    return rules.aliases.get(name, name) in rules.allowed


def is_accepted(claim: str, rules: Rules) -> bool:
    """Say whether a claim holds: of an OR one side is enough, of an AND every side must do.

    Brackets are not read: such a claim needs a reason of its own in the rules.
    """
    if claim in rules.aliases:
        return _is_allowed(claim, rules)
    return any(
        all(_is_allowed(name.strip(), rules) for name in alternative.split(" AND "))
        for alternative in claim.split(" OR ")
    )


def _needs(name: str, extras: Iterable[str]) -> list[Requirement]:
    """Return what a distribution needs here, with the given extras."""
    found: list[Requirement] = []
    for line in metadata.requires(name) or []:
        need = Requirement(line)
        marker = need.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.append(need)
    return found


def runtime_names(product: str = PRODUCT, extras: Iterable[str] = RUNTIME_EXTRAS) -> set[str]:
    """Return every distribution that comes with the product, followed to the end."""
    waiting = _needs(product, extras)
    seen: set[str] = set()
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if name not in seen:
            seen.add(name)
            waiting += _needs(name, need.extras)
    return seen


def installed() -> list[Part]:
    """Return every installed distribution but the product and what any environment brings."""
    runs = runtime_names()
    parts = {
        (name := canonicalize_name(one.metadata["Name"])): Part(
            name, one.version, claim_of(one.metadata), name in runs
        )
        for one in metadata.distributions()
    }
    return sorted(
        (part for part in parts.values() if part.name not in {PRODUCT, *_SEED}),
        key=lambda part: part.name,
    )


def judge(parts: list[Part], rules: Rules) -> list[str]:
    """Return one complaint for each part whose licence nobody has accepted."""
    return [complaint for part in parts for complaint in _judge_one(part, rules)]


def _judge_one(part: Part, rules: Rules) -> list[str]:
    entry = rules.single.get(part.name)
    if entry is not None:
        if part.runs and entry["use"] == "develop":
            return [f"{part.name}: accepted as a tool only, but DreamNet runs on it"]
        if entry["claim"] != part.claim:
            return [
                f"{part.name}: its licence is now {part.claim!r}, accepted was {entry['claim']!r}"
            ]
        return []
    if is_accepted(part.claim, rules):
        return []
    claim = repr(part.claim) if part.claim else "not stated"
    mend = f"read the licence; drop the package, or give a reason for it in tools/{RULES.name}"
    return [f"{part.name} {part.version}: licence {claim} is not accepted\n  mend: {mend}"]


def main(arguments: list[str]) -> int:
    """Check, or with `--list` print, every licence; 1 when one is not accepted."""
    parts = installed()
    if "--list" in arguments:
        for part in parts:
            use = "runs" if part.runs else "tool"
            sys.stdout.write(f"{use}  {part.name:28} {part.version:16} {part.claim or '?'}\n")
    complaints = judge(parts, read_rules())
    for complaint in complaints:
        sys.stdout.write(complaint + "\n")
    if not complaints:
        runs = sum(part.runs for part in parts)
        sys.stdout.write(f"licences: {runs} to run, {len(parts) - runs} to develop, all accepted\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
