"""A TOML file that knows the line of every key, so that an error can point at it."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamnet.kernel.errors import Complaint, ConfigError

Keys = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[^\s.=\[\]\"']+")
_SCALAR = re.compile(r"[^,\]}#\r\n]*")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\])*"'),
    re.compile(r"'[^']*'"),
)
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True)
class Document:
    """The content of a TOML file, and where each key stands in it."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Keys, int]

    def line_of(self, keys: Sequence[str | int]) -> int:
        """Return the line (from 1) of a key path, or of its nearest parent that is written.

        Elements of arrays are numbered from 0: `("services", "shop", "env", "from", 0)`.
        """
        path = tuple(keys)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, keys: Sequence[str | int]) -> str:
        """Return `file:line` of a key path."""
        return f"{self.path}:{self.line_of(keys)}"


def read_toml(path: Path) -> Document:
    """Read and parse a file; ConfigError with file, line and mend when that cannot be done."""
    return parse_toml(_text(path), path)


def parse_toml(text: str, path: Path) -> Document:
    """Parse text that was, or will be, the content of `path`; ConfigError when it is not TOML."""
    try:
        return Document(path, tomllib.loads(text), _Scanner(text).scan())
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except RecursionError:
        raise ConfigError.of(
            "values are nested too deep", where=str(path), mend="use fewer nested [ ] and { }"
        ) from None


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "no ordinary file"
            raise ConfigError.of(
                f"this is {kind}", where=str(path), mend="name the file: dreamnet.toml"
            )
        raw = path.read_bytes()
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise ConfigError.of(
            "there is no such file", where=str(path), mend="write one with: dreamnet init"
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError.of(
            "the file is not UTF-8 text", where=f"{path}:{line}", mend="save it as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError.of(
            f"the file cannot be read: {error.strerror or error}",
            where=str(path),
            mend=f"check its rights: ls -l {path}",
        ) from None


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    place = _PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.rstrip("\n").count("\n") + 1
    what = message[: place.start()] if place else message
    mend = 'text values need quotes (run = "..."), a table looks like [services.shop]'
    if "overwrite" in what or "twice" in what or "mutate" in what:
        mend = "this key or table is written twice: keep one of them"
    return ConfigError(Complaint(f"this is not TOML: {what}", f"{path}:{line}", mend))


class _Scanner:
    """Walks over text that tomllib has accepted and notes the line of each key path."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._last_index: dict[Keys, int] = {}
        self._lines: dict[Keys, int] = {}

    def scan(self) -> dict[Keys, int]:
        table: Keys = ()
        while self._skip_blank():
            if self._here("["):
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _line(self) -> int:
        return bisect_left(self._breaks, self._at) + 1

    def _here(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _skip_blank(self) -> bool:
        """Skip blanks, line ends and comments; false at the end of the text."""
        self._take(_BLANK)
        return self._at < len(self._text)

    def _take(self, form: re.Pattern[str]) -> str:
        found = form.match(self._text, self._at)
        if found is None:
            raise tomllib.TOMLDecodeError(f"Invalid value (at line {self._line()}, column 1)")
        self._at = found.end()
        return found[0]

    def _header(self) -> Keys:
        line = self._line()
        width = 2 if self._here("[[") else 1
        self._at += width
        names = self._key()
        self._at += width
        table: Keys = ()
        for name in names[:-1]:
            table = self._current(self._mark_parent((*table, name), line))
        table = (*table, names[-1])
        if width == 1:
            self._lines[table] = line
            return table
        self._mark_parent(table, line)
        self._last_index[table] = self._last_index.get(table, -1) + 1
        table = self._current(table)
        self._lines[table] = line
        return table

    def _mark_parent(self, path: Keys, line: int) -> Keys:
        self._lines.setdefault(path, line)
        return path

    def _current(self, path: Keys) -> Keys:
        """Return the newest element when `path` is an array of tables."""
        return (*path, self._last_index[path]) if path in self._last_index else path

    def _key(self) -> list[str]:
        names: list[str] = []
        while True:
            self._skip_blank()
            names.append(self._key_part())
            self._skip_blank()
            if not self._here("."):
                return names
            self._at += 1

    def _key_part(self) -> str:
        for form in _STRINGS[2:]:
            if form.match(self._text, self._at):
                return tomllib.loads(f"key = {self._take(form)}")["key"]
        return self._take(_BARE_KEY)

    def _pair(self, table: Keys) -> None:
        line = self._line()
        names = self._key()
        path = table
        for name in names:
            path = self._mark_parent((*path, name), line)
        self._at += 1  # the equals sign
        self._skip_blank()
        self._value(path)

    def _value(self, path: Keys) -> None:
        if self._here("["):
            self._array(path)
        elif self._here("{"):
            self._inline_table(path)
        else:
            self._take(next((s for s in _STRINGS if s.match(self._text, self._at)), _SCALAR))

    def _array(self, path: Keys) -> None:
        self._at += 1
        index = 0
        while self._skip_blank() and not self._here("]"):
            element = (*path, index)
            self._lines[element] = self._line()
            self._value(element)
            index += 1
            self._comma()
        self._at += 1

    def _inline_table(self, path: Keys) -> None:
        self._at += 1
        while self._skip_blank() and not self._here("}"):
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        self._skip_blank()
        if self._here(","):
            self._at += 1
