"""Looks at the store, reading only."""

from __future__ import annotations

from pathlib import Path

from dreamnet.app.doctor.store import StoreFacts
from dreamnet.app.site import Site
from dreamnet.drivers.store.examination import Examination, examine
from dreamnet.kernel.errors import Corrupt, DreamNetError, UserError


def look_at_store(site: Site) -> StoreFacts:
    """Return what the store says of itself."""
    place = site.place
    if place.file is not None and not place.file.exists():
        return StoreFacts(place.shown, exists=False)
    try:
        return _facts(site, examine(place))
    except Corrupt as error:
        damage = str(error).partition("\n")[0].removeprefix(f"{place.shown}: ")
        return StoreFacts(place.shown, exists=True, damage=damage, backup=_newest_backup(site))
    except UserError as error:
        [one] = error.complaints
        return StoreFacts(place.shown, exists=True, problem=one.what, mend=one.mend)
    except DreamNetError as error:
        mend = "start the database, or check [node] store"
        return StoreFacts(place.shown, exists=True, problem=str(error), mend=mend)


def _facts(site: Site, seen: Examination) -> StoreFacts:
    place = site.place.shown
    if not seen.damage and not seen.is_known:
        what = f'its schema "{seen.revision}" is newer' if seen.revision else "it is none of ours"
        mend = "use the DreamNet that wrote it, or set another [node] store or data_dir"
        return StoreFacts(place, exists=True, problem=what, mend=mend)
    ledger = seen.ledger
    return StoreFacts(
        place=place,
        exists=True,
        engine=seen.engine,
        revision=seen.revision,
        newest_revision=seen.newest_revision,
        damage=seen.damage,
        ledger_rows=ledger.rows if ledger is not None else 0,
        broken_at=ledger.broken_at if ledger is not None else None,
        broken_why=ledger.why if ledger is not None else "",
        backup=_newest_backup(site),
    )


def _newest_backup(site: Site) -> str:
    found = (site.data.path / "backups").glob("*.zip")
    newest = max(found, key=_age, default=None)
    return str(newest) if newest is not None else ""


def _age(file: Path) -> float:
    return file.stat().st_mtime
