"""`dreamnet ledger`: proves from the store itself that nobody changed the audit trail."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from dreamnet.cli.failure import FAILED
from dreamnet.cli.here import Here, with_here

if TYPE_CHECKING:
    from pathlib import Path

    from dreamnet.app.offline import Proof


@click.group(epilog="Example: dreamnet ledger verify")
def ledger() -> None:
    """Prove that the ledger is whole."""


@ledger.command(epilog="Example: dreamnet ledger verify --json")
@with_here
def verify(here: Here) -> None:
    """Recompute the whole chain of hashes, and show the newest row's.

    Kept elsewhere, number and hash of the newest row prove later that nobody rewrote the whole
    chain. Needs no node and works beside a running one; the store is only read. Exit codes: 0
    whole; 1 broken, or there is no ledger yet; 2 wrong configuration.
    """
    proof = asyncio.run(_verify(here.place().file))
    body = {"ok": proof.broken_at is None, "rows": proof.rows, "broken_at": proof.broken_at}
    if here.as_json:
        head = None if proof.head is None else vars(proof.head)
        here.show_json({**body, "why": proof.why, "store": proof.place, "head": head})
    elif proof.broken_at is None:
        click.echo(f"whole: {proof.rows} rows ({proof.place})")
    else:
        click.echo(f"BROKEN at row {proof.broken_at}: {proof.why} ({proof.place})")
    if proof.head is not None and not here.as_json:
        click.echo(f"newest row: {proof.head.seq}  {proof.head.hash}")
    sys.exit(0 if body["ok"] else FAILED)


async def _verify(file: Path) -> Proof:
    from dreamnet.app.offline import verify_ledger

    return await verify_ledger(file)
