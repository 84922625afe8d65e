"""`dreamnet backup`: copies store and settings beside a running node, and proves the copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dreamnet.cli.here import Here, note, with_here
from dreamnet.cli.output import size
from dreamnet.kernel.clock import SystemClock

if TYPE_CHECKING:
    from dreamnet.app.backup import Backup

_EPILOG = "Example: dreamnet backup /mnt/other-disk/dreamnet.zip"


@click.command(epilog=_EPILOG)
@click.argument("copy", required=False, metavar="[FILE]", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Prove the backup FILE; nothing is written.")
@with_here
def backup(here: Here, copy: Path | None, verify: bool) -> None:
    """Copy the store beside a running node, and prove it.

    The copy, a zip with dreamnet.toml beside the store, goes to FILE (which may be a folder), or
    else to `backups` in the data directory. A backup that is there already is replaced once the
    new one is proven. Services' own data, logs and secrets (.env files, passwords in
    dreamnet.toml) are not in it. Bring it back with: dreamnet restore FILE. Exit codes: 0 made and
    proven (--verify: whole); 1 the store or the backup is damaged or away; 2 wrong usage or
    configuration, no store, or FILE cannot be written.
    """
    from dreamnet.app.backup import make_backup, verify_backup

    if verify:
        if copy is None:
            raise click.UsageError("--verify needs the FILE of a backup")
        _say(here, verify_backup(copy), "whole")
        return
    _say(here, make_backup(here.place().file, copy, SystemClock().now()), "made and proven")


def _say(here: Here, made: Backup, words: str) -> None:
    if here.as_json:
        here.show_json(to_json(made))
        return
    manifest = made.manifest
    click.echo(f"{made.file}: {words}")
    click.echo(f"  made      {manifest.made.isoformat(timespec='seconds')}, {size(made.bytes)}")
    click.echo(f"  store     {manifest.database}, schema {manifest.revision}")
    head = manifest.ledger_head
    newest = f", newest row: {head.seq}  {head.hash}" if head is not None else ""
    click.echo(f"  ledger    {manifest.ledger_rows} rows{newest}")
    if manifest.removed:
        note(f"left out of its dreamnet.toml: {', '.join(manifest.removed)}")


def to_json(made: Backup) -> dict[str, Any]:
    """Return a backup as plain JSON values."""
    manifest = made.manifest.model_dump(mode="json")
    return {"file": str(made.file), "bytes": made.bytes, "manifest": manifest}
