"""The table of `metrics.md`, from the metrics themselves."""

from __future__ import annotations

import re

from dreamnet.kernel.metrics import Description, Metrics
from dreamnet.web.families import FAMILIES
from tools.reference.sections import cell, table, with_table

HEADING = "All of them"
_HEAD = ("metric", "type", "labels", "what it says")


def described() -> list[Description]:
    """Return every metric, by name; counters with the `_total` that they are asked for by."""
    now = [Description(one.name, one.kind, one.words, one.labels) for one in FAMILIES]
    found = [
        one._replace(name=f"{one.name}_total") if one.kind == "counter" else one
        for one in [*Metrics().described(), *now]
    ]
    return sorted(found)


def renewed(text: str) -> str:
    """Return the page with every metric; ValueError without its heading."""
    rows = [
        (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels) or "-",
         cell(one.words))
        for one in described()
    ]  # fmt: skip
    after = with_table(text, re.compile(HEADING), table(_HEAD, rows))
    if after is None:
        raise ValueError(f"docs/reference/metrics.md: write a heading {HEADING}")
    return after
