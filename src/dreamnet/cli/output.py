"""Tables for people: drawn by rich on a terminal, plain columns in a pipe."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click

# What a service wrote may hold anything; a table must not let it move the cursor.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_UNITS = ((86400, "d", "h", 3600), (3600, "h", "m", 60), (60, "m", "s", 1))
_WORDS = {
    "green": "well yes running resolved succeeded",
    "yellow": "unknown withdrawn starting acting verifying proposed watching",
    "red": "failing no failed rejected escalated",
}
_STYLES = {word: style for style, words in _WORDS.items() for word in words.split()}


def is_terminal() -> bool:
    """Tell whether a person reads stdout."""
    return sys.stdout.isatty()


def clean(text: object) -> str:
    """Return one line without control characters; empty for None."""
    return "" if text is None else _CONTROL.sub(" ", str(text)).strip()


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table on stdout."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if is_terminal():
        _draw(headings, cells)
        return
    for line in plain_lines([[name.upper() for name in headings], *cells]):
        click.echo(line)


def plain_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as aligned columns, an empty cell as `-`, so that `awk` can read them."""
    filled = [[cell or "-" for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*filled, strict=True)]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in filled]
    return [line.rstrip() for line in lines]


def _draw(headings: Sequence[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in headings:  # the last column is prose; the others are copied and stay whole
        table.add_column(name, overflow="fold", no_wrap=name != headings[-1])
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console().print(table)


def duration(seconds: object) -> str:
    """Return seconds as a person says them, such as `3m 20s`."""
    if not isinstance(seconds, (int, float)):
        return ""
    whole = int(seconds)
    for size, big, small, unit in (
        (86400, "d", "h", 3600),
        (3600, "h", "m", 60),
        (60, "m", "s", 1),
    ):
        if whole >= size:
            return f"{whole // size}{big} {whole % size // unit}{small}"
    return f"{whole}s"


def size(count: object) -> str:
    """Return bytes in binary units."""
    if not isinstance(count, (int, float)):
        return ""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def instant(text: object) -> str:
    """Return an ISO time of the API in local time; what is none stays as it is."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return clean(text)
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return aware.astimezone().strftime("%Y-%m-%d %H:%M:%S")
