"""`dreamnet doctor`: what is wrong here, and how to mend it; with or without a node."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from dreamnet.cli.failure import FAILED, Failure
from dreamnet.cli.here import Here, note, with_here
from dreamnet.cli.output import clean

if TYPE_CHECKING:
    from dreamnet.app.doctor.finding import Finding


@click.command(epilog="Example: dreamnet doctor   (in a script: dreamnet doctor --json)")
@with_here
def doctor(here: Here) -> None:
    """Say what is wrong here and how to mend it.

    Looks at machine, settings, data directory, store, ports and what runs. Changes nothing, works
    without a node and beside one. Exit codes: 0 nothing failed (a warning is no failure); 1
    something failed.
    """
    from dreamnet.app.doctor.finding import Level

    findings = _visit(here)
    counts = {level: sum(one.level is level for one in findings) for level in Level}
    failed, warned = counts[Level.FAIL], counts[Level.WARN]
    if here.as_json:
        listed = [asdict(one) for one in findings]
        here.show_json({"ok": not failed, "fail": failed, "warn": warned, "findings": listed})
    else:
        _show(findings)
        note(f"{failed} failed, {warned} warned, {counts[Level.OK]} well")
    sys.exit(FAILED if failed else 0)


def _visit(here: Here) -> list[Finding]:
    from dreamnet.app.doctor.visit import visit
    from dreamnet.cli.place import find
    from dreamnet.kernel.errors import Complaint

    try:
        return list(visit(find(here.file).file))
    except Failure as failure:
        return list(visit(None, Complaint(failure.what, failure.where, failure.mend)))


def _show(findings: list[Finding]) -> None:
    width = max(len(one.name) for one in findings)
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for one in findings:
        level = click.style(f"{one.level:<4}", fg=colours[one.level])
        where = f"  ({clean(one.where)})" if one.where else ""
        click.echo(f"{level}  {one.name:<{width}}  {clean(one.seen)}{where}")
        if one.mend:
            click.echo(f"{'':{width + 8}}mend: {clean(one.mend)}")
