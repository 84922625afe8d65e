"""`dreamnet restore`: brings a backup back, all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dreamnet.cli.failure import FAILED, Failure
from dreamnet.cli.here import Here, note, with_here
from dreamnet.cli.place import FILE_NAME, find, nearest
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Conflict

if TYPE_CHECKING:
    from dreamnet.app.restore import Restored


@click.command(epilog="Example: dreamnet restore .dreamnet/backups/dreamnet-20261125-031500.zip")
@click.argument("copy", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the store that is there; it is kept aside.")
@with_here
def restore(here: Here, copy: Path, force: bool) -> None:
    """Bring a backup back, all of it or nothing.

    Needs that no node runs here. The backup is proven first; a crash leaves the old store or the
    new one. It goes to the store that dreamnet.toml names, SQLite or PostgreSQL, whichever it came
    from. A folder without a dreamnet.toml gets the backup's. Exit codes: 0 restored; 1 refused (a
    node runs, or there is a store and no --force), or FILE is damaged; 2 wrong usage or
    configuration.
    """
    from dreamnet.app.restore import restore_backup

    settings = _settings(here)
    try:
        done = restore_backup(copy, settings, SystemClock().now(), force=force)
    except Conflict as error:
        [one] = error.complaints
        raise Failure(one.what, one.where, one.mend, FAILED) from error
    _say(here, done)


def _settings(here: Here) -> Path:
    """Return the settings to restore to; a folder that has none gets the backup's."""
    if here.file is not None:
        return here.file.resolve() if not here.file.exists() else find(here.file).file
    return here.place().file if nearest() is not None else Path.cwd() / FILE_NAME


def _say(here: Here, done: Restored) -> None:
    if here.as_json:
        here.show_json(
            {
                "store": done.store,
                "settings": str(done.settings),
                "settings_written": done.settings_written,
                "kept": str(done.kept) if done.kept is not None else None,
                "manifest": done.manifest.model_dump(mode="json"),
            }
        )
        return
    manifest = done.manifest
    made = manifest.made.isoformat(timespec="seconds")
    click.echo(f"restored: {manifest.ledger_rows} ledger rows of {made} ({done.store})")
    if done.settings_written:
        click.echo(f"  settings  {done.settings}")
    if done.settings_written and manifest.removed:
        note(f"write again what is secret in it: {', '.join(manifest.removed)}")
    if done.kept is not None:
        click.echo(f"  before    {done.kept}")
    note("next: dreamnet up")
