"""Where a command works: the `dreamnet.toml` here or above, and its data directory."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from dreamnet.cli.failure import WRONG, Failure

FILE_NAME = "dreamnet.toml"
DEFAULT_DATA_DIR = ".dreamnet"


@dataclass(frozen=True)
class Place:
    """The settings' file and the data directory, both absolute.

    `doubt` says why the file could not be read; the data directory is then the default one.
    """

    file: Path
    data_dir: Path
    doubt: str = ""

    @property
    def halt_file(self) -> Path:
        """Return the kill switch."""
        return self.data_dir / "halt"

    @property
    def up_log(self) -> Path:
        """Return where a detached node's output goes."""
        return self.data_dir / "up.log"


def find(file: Path | None) -> Place:
    """Return the place of `file`, else of the nearest dreamnet.toml; Failure when there is none."""
    found = _given(file) if file is not None else _nearest()
    try:
        text = found.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Failure(
            f"the file cannot be read: {reason}", str(found), "check its rights", WRONG
        ) from error
    try:
        data_dir, doubt = _data_dir(tomllib.loads(text)), ""
    except (tomllib.TOMLDecodeError, TypeError) as error:
        data_dir, doubt = DEFAULT_DATA_DIR, str(error)
    place = Place(found, (found.parent / data_dir).resolve(), doubt)
    _check_readable(place.data_dir)
    return place


def nearest() -> Path | None:
    """Return the dreamnet.toml in this folder or the next one above that has one."""
    folder = _here()
    places = (one / FILE_NAME for one in (folder, *folder.parents))
    return next((file for file in places if file.is_file()), None)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise Failure("this folder is gone", mend="go to another one", code=WRONG) from error


def _check_readable(data_dir: Path) -> None:
    """Refuse a directory we may not look into: what runs there would be taken for nothing."""
    if data_dir.is_dir() and not os.access(data_dir, os.R_OK | os.X_OK):
        mend = "run this as the user who runs DreamNet, or set another [node] data_dir"
        raise Failure("the data directory may not be read", str(data_dir), mend, WRONG)


def _given(file: Path) -> Path:
    if file.is_dir():
        mend = f"name the file in it: --file {file / FILE_NAME}"
        raise Failure("this is a folder", str(file), mend, WRONG)
    if not file.exists():
        raise Failure("there is no such file", str(file), "make one with: dreamnet init", WRONG)
    return file.resolve()


def _nearest() -> Path:
    found = nearest()
    if found is None:
        raise Failure(
            f"there is no {FILE_NAME} in this folder or above it",
            str(_here()),
            "make one with: dreamnet init; or go to its folder; or name it with --file",
            WRONG,
        )
    return found


def _data_dir(settings: dict[str, object]) -> str:
    node = settings.get("node", {})
    if not isinstance(node, dict):
        raise TypeError("[node] is not a table")
    data_dir: object = node.get("data_dir", DEFAULT_DATA_DIR)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # read by hand, checked below
    if not isinstance(data_dir, str) or not data_dir or "\0" in data_dir:
        raise TypeError("[node] data_dir is not a folder's name")
    return data_dir
