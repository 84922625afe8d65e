"""Sections of a Markdown page: a heading, prose by hand, and one table that is written."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TABLE = re.compile(r"^\|.*(?:\n\|.*)*\n", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)\n", re.MULTILINE)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, "" when it has no rows."""
    if not rows:
        return ""
    lines = [_row(head), f"|{'---|' * len(head)}\n", *(_row(row) for row in rows)]
    return "".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def with_table(text: str, heading: re.Pattern[str], written: str) -> str | None:
    """Return the page with the first table below a heading replaced; None without the heading.

    A section without a table gets it before its last paragraph that is an example, or at its end.
    """
    bounds = _bounds(text, heading)
    if bounds is None:
        return None
    start, end = bounds
    body = text[start:end]
    found = _TABLE.search(body)
    if found:
        after = body[found.end() :] if written else body[found.end() :].lstrip("\n")
        return text[:start] + body[: found.start()] + written + after + text[end:]
    if not written:
        return text
    head, mark, rest = body.rpartition("\nExample")
    if not mark:
        prose = f"{body.rstrip()}\n" if body.strip() else ""
        return text[:start] + f"{prose}\n{written}\n" + text[end:]
    return text[:start] + f"{head}\n{written}{mark}{rest}" + text[end:]


def _bounds(text: str, heading: re.Pattern[str]) -> tuple[int, int] | None:
    """Return where the section below a heading starts and ends."""
    hidden = _FENCE.sub(lambda fence: "x" * len(fence[0]), text)
    found = list(_HEADING.finditer(hidden))
    for at, one in enumerate(found):
        if heading.fullmatch(one[2]):
            end = found[at + 1].start() if at + 1 < len(found) else len(text)
            return one.end(), end
    return None


def headings(text: str) -> list[str]:
    """Return the headings of a page in their order."""
    return [one[2] for one in _HEADING.finditer(_FENCE.sub("", text))]


def cell(words: str) -> str:
    """Return words as they stand in a cell of a table."""
    return " ".join(words.split()).replace("|", "\\|")
