"""The table of `events.md`, from the kinds of rows that the ledger takes."""

from __future__ import annotations

import re

from dreamnet.model.events import EventKind
from tools.reference.sections import cell, table, with_table

HEADING = "Kinds"


def renewed(text: str) -> str:
    """Return the page with every kind of event; ValueError without its heading."""
    rows = [(f"`{kind}`", cell(kind.words)) for kind in EventKind]
    after = with_table(text, re.compile(HEADING), table(("event", "when, and its body"), rows))
    if after is None:
        raise ValueError(f"docs/reference/events.md: write a heading {HEADING}")
    return after
