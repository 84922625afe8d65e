"""Puts a proven backup in the place of a store that no node works on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dreamnet.app.archive import SETTINGS, STORE, Manifest, unpack
from dreamnet.app.backup import make_backup, open_backup
from dreamnet.app.site import Site, site_of
from dreamnet.drivers.store.copies import copy_in, make_ready, rows_in
from dreamnet.drivers.store.exchange import exchange
from dreamnet.drivers.store.place import Place
from dreamnet.kernel.errors import Conflict, UserError
from dreamnet.kernel.files import write_whole

_DRAFT = ".restore-"


@dataclass(frozen=True)
class Restored:
    """What a restore did; `kept` is where the store that was there before is now."""

    manifest: Manifest
    store: str
    settings: Path
    settings_written: bool
    kept: Path | None


def restore_backup(backup: Path, settings: Path, now: datetime, *, force: bool) -> Restored:
    """Put the store of `backup` where `settings` says, and the settings too if there are none.

    The backup is proven before anything is changed. `Conflict` while a node runs, or when there is
    a store and `force` is off; with it the old store is kept aside. A crash leaves the old store or
    the new one.
    """
    is_new = not settings.exists()
    if is_new:
        _bring_settings(backup, settings)
    try:
        return _restore(backup, site_of(settings), now, force=force, is_new=is_new)
    except BaseException:
        if is_new:
            settings.unlink()
        raise


def _restore(backup: Path, site: Site, now: datetime, *, force: bool, is_new: bool) -> Restored:
    site.refuse_running()
    site.data.create()
    with site.data.held(), _beside(site.data.path) as folder:
        if not force:
            _refuse_occupied(site.place)
        manifest = open_backup(backup, folder)
        body = {"made": manifest.made.isoformat(), "ledger_rows": manifest.ledger_rows}
        make_ready(folder / STORE, body, now)
        kept = _put(site, folder / STORE, now)
    return Restored(manifest, site.place.shown, site.file, is_new, kept)


def _bring_settings(backup: Path, settings: Path) -> None:
    """Write the backup's settings where there are none."""
    with tempfile.TemporaryDirectory(prefix="dreamnet-restore-") as folder:
        unpack(backup, Path(folder), SETTINGS)
        ours = Path(folder) / SETTINGS
        if not ours.exists():
            raise UserError.of(
                "there are no settings here, and none in the backup",
                where=str(settings),
                mend="write them with: dreamnet init",
            )
        write_whole(settings, ours.read_text("utf-8"), durable=True)


@contextmanager
def _beside(data_dir: Path) -> Generator[Path]:
    """Give a folder in the store's file system, so that a rename is enough."""
    for left in data_dir.glob(f"{_DRAFT}*"):  # of a restore that was killed; we hold the directory
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=data_dir) as folder:
        yield Path(folder)


def _refuse_occupied(place: Place) -> None:
    if rows_in(place) if place.file is None else place.file.exists():
        raise Conflict.of(
            "there is a store already; nothing was changed",
            where=place.shown,
            mend="replace it (the old one is kept aside) with: dreamnet restore FILE --force",
        )


def _put(site: Site, new: Path, now: datetime) -> Path | None:
    """Put the new store in place; return where the old one is kept, None when there was none."""
    stamp = f"before-restore-{now.strftime('%Y%m%d-%H%M%S')}"
    file = site.place.file
    if file is not None:
        aside = _unused(file.with_name(f"{file.name}.{stamp}"))
        return aside if exchange(file, new, aside) else None
    kept = None
    if rows_in(site.place):
        aside = _unused(site.data.path / "backups" / f"{stamp}.zip")
        kept = make_backup(site.file, aside, now).file
    copy_in(new, site.place)
    return kept


def _unused(file: Path) -> Path:
    """Return a name beside `file` that nobody has: two restores may share a second."""
    names = (file, *(file.with_name(f"{file.name}.{number}") for number in range(2, 100)))
    return next(name for name in names if not name.exists())
