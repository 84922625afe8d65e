"""The file of a backup: a zip with a manifest that tells what is in it and proves it."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
import zlib
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from dreamnet.kernel.errors import Corrupt, NotFound, UserError
from dreamnet.kernel.files import open_private, sync_folder
from dreamnet.model.record import Record

STORE = "dreamnet.db"
SETTINGS = "dreamnet.toml"

_FORMAT = 1
_MANIFEST = "manifest.json"
_MANIFEST_LIMIT = 1024 * 1024
_PIECE = 1024 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError)


class Part(Record):
    """One file of the archive."""

    bytes: int
    sha256: str


class Head(Record):
    """The newest row of the ledger."""

    seq: int
    hash: str


class Manifest(Record):
    """What a backup is: when and by which DreamNet it was made, of what, and its parts."""

    format: int = _FORMAT
    dreamnet: str
    made: datetime
    database: str
    revision: str
    ledger_rows: int
    ledger_head: Head | None
    removed: tuple[str, ...] = ()
    parts: dict[str, Part]


def part_of(file: Path) -> Part:
    """Return size and hash of a file."""
    digest, size = sha256(), 0
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return Part(bytes=size, sha256=digest.hexdigest())


def pack(folder: Path, manifest: Manifest, target: Path) -> None:
    """Write the manifest and its parts, found in `folder`, to `target`: whole or not at all.

    OSError when it cannot be written; nothing is left behind then.
    """
    draft = folder / "archive"
    with os.fdopen(open_private(draft), "wb") as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(_MANIFEST, manifest.model_dump_json(indent=2))
            for name in manifest.parts:
                archive.write(folder / name, name)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(target)
    sync_folder(target.parent)


def unpack(file: Path, folder: Path, *names: str) -> Manifest:
    """Write parts (all, or those named) into `folder`, proven by the manifest, which is returned.

    `NotFound` when there is no such file, `UserError` when it is none of ours or newer than this
    DreamNet, `Corrupt` when it is damaged.
    """
    if not file.is_file():
        what = "this is no file" if file.exists() else "there is no such file"
        raise NotFound.of(what, where=str(file), mend="name a file that dreamnet backup wrote")
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _manifest(archive, file)
            for name in manifest.parts.keys() & set(names or manifest.parts):
                _extract(archive, name, manifest.parts[name], folder)
    except _DAMAGE as error:
        if not _begins_as_zip(file):
            raise _foreign(file) from error
        raise _damaged(file, str(error) or type(error).__name__) from error
    return manifest


def is_backup(file: Path) -> bool:
    """Return whether a file is a backup, whole or not, of any version."""
    try:
        with zipfile.ZipFile(file) as archive:
            return _MANIFEST in archive.namelist() and STORE in archive.namelist()
    except (OSError, *_DAMAGE):
        return False


def _manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    if _MANIFEST not in archive.namelist():
        raise _foreign(file)
    with archive.open(_MANIFEST) as source:
        text = source.read(_MANIFEST_LIMIT)
    try:
        _refuse_newer(json.loads(text), file)
        manifest = Manifest.model_validate_json(text)
    except (ValidationError, ValueError) as error:
        raise _damaged(file, "its manifest cannot be read") from error
    if STORE not in manifest.parts or set(manifest.parts) - {STORE, SETTINGS}:
        raise _damaged(file, "its manifest names the wrong parts")
    return manifest


def _refuse_newer(raw: object, file: Path) -> None:
    if isinstance(raw, dict):
        written = cast("dict[str, Any]", raw)
        if isinstance(written.get("format"), int) and written["format"] > _FORMAT:
            raise UserError.of(
                f"this backup was made by a newer DreamNet ({written.get('dreamnet')})",
                where=str(file),
                mend="restore it with that version",
            )


def _extract(archive: zipfile.ZipFile, name: str, part: Part, folder: Path) -> None:
    """Write one part; what claims another size than the manifest says is not unpacked at all."""
    if archive.getinfo(name).file_size != part.bytes:
        raise zipfile.BadZipFile(f"{name} has another size than the manifest says")
    with archive.open(name) as source, os.fdopen(open_private(folder / name), "wb") as out:
        shutil.copyfileobj(source, out, _PIECE)
    if part_of(folder / name) != part:
        raise zipfile.BadZipFile(f"{name} is not what the manifest says")


def _begins_as_zip(file: Path) -> bool:
    with file.open("rb") as source:
        return source.read(4) == b"PK\x03\x04"


def _foreign(file: Path) -> UserError:
    mend = "name a file that dreamnet backup wrote"
    return UserError.of("this is no backup of DreamNet", where=str(file), mend=mend)


def _damaged(file: Path, why: str) -> Corrupt:
    return Corrupt(f"{file}: the backup is damaged: {why}\n  mend: use another backup")
