"""`dreamnet reef`: what agents may do now, and a person's word on what waits for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from dreamnet.cli.here import Here, with_here
from dreamnet.cli.output import clean, instant, show_table
from dreamnet.cli.waiting import conclude


@click.group(epilog="Example: dreamnet reef status")
def reef() -> None:
    """Show what agents may do; approve or deny an action."""


@reef.command(epilog="Example: dreamnet reef status --json")
@with_here
def status(here: Here) -> None:
    """Show the offices, how full they are, and what waits for approval."""
    agents = here.node().get("/api/agents")
    waiting: list[dict[str, Any]] = agents["waiting"] or []
    if here.as_json:
        here.show_json(agents)
        return
    if agents.get("halted"):
        click.echo("HALTED: no action is let out; mend: dreamnet resume")
    headings = ("office", "mode", "occupied", "capacity")
    show_table(headings, [[one[name] for name in headings] for one in agents["offices"]])
    click.echo(f"\n{len(waiting)} waiting for a yes: dreamnet reef approve ACTION (or deny)")
    if waiting:
        rows = [_row(one) for one in waiting]
        show_table(("action", "verb", "target", "agent", "since", "reason"), rows)


def _row(action: dict[str, Any]) -> list[object]:
    named = [action["id"], action["verb"], action["target"], action["agent"]]
    return [*named, instant(action["at"]), action["reason"]]


@reef.command(epilog="Example: dreamnet reef approve act-1m826hfmmvtj9vy7")
@click.argument("action")
@click.option("--no-wait", is_flag=True, help="Return once the action is let out.")
@with_here
def approve(here: Here, action: str, no_wait: bool) -> None:
    """Let a waiting ACTION out, and follow it to its end."""
    node = here.node()
    answer = node.post(f"/api/actions/{quote(action, safe='')}/approve")
    link = f"/api/actions/{quote(action, safe='')}"
    conclude(here, node, {"link": link, **answer}, wait=not no_wait)


@reef.command(epilog="Example: dreamnet reef deny act-1m826hfmmvtj9vy7")
@click.argument("action")
@with_here
def deny(here: Here, action: str) -> None:
    """Refuse a waiting ACTION."""
    answer = here.node().post(f"/api/actions/{quote(action, safe='')}/deny")
    if here.as_json:
        here.show_json(answer)
    else:
        click.echo(clean(f"denied: {answer['verb']} {answer['target']}"))
