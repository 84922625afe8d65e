"""Makes a backup of a node's store and settings beside whatever runs, and proves it."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast, get_args

from pydantic import SecretStr

from dreamnet import __version__
from dreamnet.app.archive import (
    SETTINGS,
    STORE,
    Head,
    Manifest,
    Part,
    is_backup,
    pack,
    part_of,
    unpack,
)
from dreamnet.app.site import Site, site_of
from dreamnet.drivers.store.copies import Content, copy_out, prove
from dreamnet.kernel.errors import ConfigError, Conflict, Corrupt, UserError
from dreamnet.kernel.toml import Document, parse_toml
from dreamnet.model.settings import SECTIONS, SERVICES
from dreamnet.model.watch_written import WATCH, expand_watched, is_watched
from dreamnet.model.watches import holds_secrets


@dataclass(frozen=True)
class Backup:
    """A backup that was proven: its store was opened, every page and the whole ledger read."""

    file: Path
    bytes: int
    manifest: Manifest


def make_backup(settings: Path, target: Path | None, now: datetime) -> Backup:
    """Write a backup to `target`: a file, a folder, or None for the data directory's `backups`.

    Works beside a running node. A file that is there is replaced only if it is a backup, and only
    by a proven one. `NotFound`, `Corrupt`, `Unavailable` as the store is; `UserError` when the
    place cannot be written: nothing is left there then.
    """
    site = site_of(settings)
    file = _target(site, target, now)
    with _writing(file):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=".dreamnet-backup-", dir=file.parent) as folder:
            manifest = _gather(site, Path(folder), now)
            pack(Path(folder), manifest, file)
        return Backup(file, file.stat().st_size, manifest)


def verify_backup(file: Path) -> Backup:
    """Prove a backup without restoring it; errors as `unpack` and `prove` raise them."""
    with tempfile.TemporaryDirectory(prefix="dreamnet-backup-") as folder:
        manifest = open_backup(file, Path(folder))
    return Backup(file, file.stat().st_size, manifest)


def open_backup(file: Path, folder: Path) -> Manifest:
    """Unpack a backup into `folder` and prove it; `Corrupt` when anything in it is wrong."""
    manifest = unpack(file, folder)
    content = prove(folder / STORE)
    if _head(content) != manifest.ledger_head or content.revision != manifest.revision:
        raise Corrupt(f"{file}: the store in it is another than its manifest says")
    return manifest


def _target(site: Site, target: Path | None, now: datetime) -> Path:
    name = f"dreamnet-{now.strftime('%Y%m%d-%H%M%S')}.zip"
    if target is None:
        return site.data.path / "backups" / name
    file = (target / name if target.is_dir() else target).absolute()
    if file.exists() and not is_backup(file):
        raise Conflict.of(
            "there is a file, and it is no backup; it was not changed",
            where=str(file),
            mend="name another file",
        )
    return file


@contextmanager
def _writing(file: Path) -> Generator[None]:
    """Say of a full disk or a forbidden folder which one it is."""
    try:
        yield
    except OSError as error:
        raise UserError.of(
            f"the backup cannot be written: {error.strerror or error}",
            where=str(file.parent),
            mend="free space or rights there, or name another place: dreamnet backup FILE",
        ) from error


def _gather(site: Site, folder: Path, now: datetime) -> Manifest:
    copy_out(site.place, folder / STORE)
    content = prove(folder / STORE)
    text, removed = _without_secrets(site.file.read_text("utf-8-sig"), site.file)
    parts: dict[str, Part] = {STORE: part_of(folder / STORE)}
    if text:
        (folder / SETTINGS).write_text(text, "utf-8")
        parts[SETTINGS] = part_of(folder / SETTINGS)
    return Manifest(
        dreamnet=__version__,
        made=now,
        database="postgresql" if site.place.file is None else "sqlite",
        revision=content.revision,
        ledger_rows=content.rows,
        ledger_head=_head(content),
        removed=removed,
        parts=parts,
    )


def _head(content: Content) -> Head | None:
    return None if content.head is None else Head(seq=content.head.seq, hash=content.head.hash)


def _without_secrets(text: str, file: Path) -> tuple[str, tuple[str, ...]]:
    """Return the settings with every secret value emptied, and whose values those were.

    No text at all when a value is written so that it cannot be found (with escapes).
    """
    found = {name: value for name, value in _secrets(parse_toml(text, file)) if value}
    for value in found.values():
        text = text.replace(value, "")
    try:
        left = dict(_secrets(parse_toml(text, file)))
    except ConfigError:
        return "", tuple(found)
    is_clean = not any(left.get(name) for name in found)
    return (text if is_clean else ""), tuple(found)


def _secrets(document: Document) -> Iterator[tuple[str, str]]:
    """Yield name and value of every setting that is a secret by its type."""
    for section, model in SECTIONS.items():
        written = cast("dict[str, object]", document.data.get(section) or {})
        for name, field in model.model_fields.items():
            value = written.get(name)
            if SecretStr in (field.annotation, *get_args(field.annotation)):
                yield f"{section}.{name}", value if isinstance(value, str) else ""
    yield from _watched_urls(document)


def _watched_urls(document: Document) -> Iterator[tuple[str, str]]:
    """Yield the watched URLs that hold credentials; others may be read by everybody."""
    services = cast("dict[str, object]", document.data.get(SERVICES) or {})
    for name, table in services.items():
        if not is_watched(table):
            continue
        watch: object = expand_watched(cast("dict[str, object]", table))[WATCH]
        url = cast("dict[str, object]", watch).get("url") if isinstance(watch, dict) else None
        if isinstance(url, str) and holds_secrets(url):
            yield f"{SERVICES}.{name}.{WATCH}", url
