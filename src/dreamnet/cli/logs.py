"""`dreamnet logs`: the last lines of a service's instances, and what comes."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import click

from dreamnet.cli.failure import Failure
from dreamnet.cli.here import Here, note, split_target, with_here
from dreamnet.cli.node import Node
from dreamnet.cli.waiting import leaving
from dreamnet.client.errors import ApiProblem, NodeUnreachable

_AGAIN_S = 1.0
_ABSENCE_S = 60.0


@click.command(epilog="Example: dreamnet logs shop -f --slot 2   (the node's own: logs dreamnet)")
@click.argument("service")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(0, 10_000),
    default=100,
    show_default=True,
    help="Last lines shown of each instance.",
)
@click.option("--slot", type=click.IntRange(min=1), help="Only this slot's instance.")
@with_here
def logs(here: Here, service: str, follow: bool, lines: int, slot: int | None) -> None:
    """Show the last log lines of a service.

    `shop/2` means `--slot 2`; `dreamnet logs dreamnet` shows the node's own. With --json one
    {"instance", "slot", "line"} per line. New instances are followed too, and a node that restarts
    is waited for.
    """
    service, slot = split_target(service, slot)
    path = f"/api/logs/{quote(service, safe='')}"
    if not follow:
        _print(here, here.node(30.0), path, {"lines": lines, "slot": slot})
        return
    with leaving("no more is shown; the service goes on"):
        _follow(here, path, {"lines": lines, "slot": slot, "follow": True})


def _print(here: Here, node: Node, path: str, wanted: dict[str, Any]) -> None:
    for record in node.lines(path, **wanted):
        if here.as_json:
            here.show_json(record)
        else:
            click.echo(_line(record))


def _line(record: dict[str, Any]) -> str:
    slot = record.get("slot")
    return str(record["line"]) if slot is None else f"{slot} | {record['line']}"


def _follow(here: Here, path: str, wanted: dict[str, Any]) -> None:
    """Follow for ever, after a break only what is new; give up after 60 s without a node."""
    asked, began = wanted, False
    until = time.perf_counter() + _ABSENCE_S
    while True:
        try:
            node = here.node(30.0)
            began, until = True, time.perf_counter() + _ABSENCE_S
            _print(here, node, path, asked)
            note("the node ended the stream; waiting for the next one")
        except (NodeUnreachable, Failure, ApiProblem) as error:
            is_refusal = isinstance(error, ApiProblem) and error.status < 500
            if not began or is_refusal or time.perf_counter() > until:
                raise
            note("the node is away; waiting for it")
        asked = {**wanted, "lines": 0}
        time.sleep(_AGAIN_S)
