"""`dreamnet events`: the ledger, row by row, and what comes."""

from __future__ import annotations

import json
from typing import Any, cast

import click

from dreamnet.cli.here import Here, with_here
from dreamnet.cli.output import clean, instant
from dreamnet.cli.waiting import leaving


@click.command(epilog="Example: dreamnet events -f   (in a script: dreamnet events -f --json)")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--lines", "-n", type=click.IntRange(0, 1000), default=20, show_default=True, help="Rows shown."
)
@with_here
def events(here: Here, follow: bool, lines: int) -> None:
    """Show the ledger: everything that happened.

    With --json one row per line. A node that restarts meanwhile is waited for and no row is missed.
    """
    node = here.node()
    # one row at least is asked for: its number is where following begins
    rows: list[dict[str, Any]] = node.get("/api/ledger", limit=max(lines, 1))["rows"]
    for row in rows if lines else []:
        _show(here, row)
    if not follow:
        return
    after = int(rows[-1]["seq"]) if rows else 0
    with leaving("no more is shown; the node goes on"):
        for event in node.events(after):
            _show(here, event.json())


def _show(here: Here, row: dict[str, Any]) -> None:
    if here.as_json:
        here.show_json(row)
        return
    body = cast("dict[str, Any]", row.get("body") or {})
    click.echo(
        f"{row['seq']:>6}  {instant(row['at'])}  {clean(row['kind']):<20}  {_words(row, body)}"
    )


def _words(row: dict[str, Any], body: dict[str, Any]) -> str:
    """Return the row's own words; else its body, as a person can bear it."""
    said = _of_kind(str(row["kind"]), body)
    said = said or body.get("words") or body.get("detail") or body.get("message")
    if said is None:
        said = json.dumps(body, ensure_ascii=False)
    phase = f"{body['phase']}: " if body.get("phase") else ""
    return clean(f"{row.get('subject', '')}  {phase}{said}")


def _of_kind(kind: str, body: dict[str, Any]) -> str:
    """Return the words for a row that carries values only; empty where its body speaks."""
    match kind, body:
        case "action-refused", {"reason": reason, "proposal": {"verb": verb}}:
            return f"{verb} was not let out: {reason}"
        case "traffic", {"serving": [*serving], "wanted": wanted}:
            return f"{len(serving)} of {wanted} instances serve"
        case _:
            return ""
