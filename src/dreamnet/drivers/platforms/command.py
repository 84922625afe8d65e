"""Turns the `run` line of a service into the command to execute, or says why it never can run."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from dreamnet.kernel.errors import Permanent
from dreamnet.model.services import ServiceSpec

_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The wrapper's shell gives these a meaning of its own and would change or refuse them.
_SHELL_OWNED = frozenset({"IFS", "OPTIND", "PPID", "LINENO"})


class CannotRun(Permanent):
    """The command can never run; the message is the reason, and holds no values of variables."""


def resolve_command(spec: ServiceSpec, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the absolute program and its arguments; CannotRun otherwise.

    `$NAME` and `${NAME}` are filled in after splitting, so a value stays one word; `$$` is a
    dollar sign, and a dollar before anything else stays as it is.
    """
    _check_folder(Path(spec.folder))
    _check_names(environment)
    template = _split(spec.run)
    words = [_fill(word, spec.run, environment) for word in template]
    program = _find(words[0], template[0], Path(spec.folder), environment.get("PATH", os.defpath))
    return (str(program), *words[1:])


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise CannotRun(f'folder {what}: "{folder}"')
    if not os.access(folder, os.X_OK):
        raise CannotRun(f'folder may not be entered: "{folder}"')


def _check_names(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not _NAME.fullmatch(name):
            raise CannotRun(f'not a variable name: "{name}" (letters, digits and _ only)')
        if name in _SHELL_OWNED:
            raise CannotRun(f"variable {name} belongs to the shell and cannot be set for a service")
        if "\0" in value:
            raise CannotRun(f"the value of variable {name} holds a NUL character")


def _split(run: str) -> list[str]:
    try:
        words = shlex.split(run)
    except ValueError as error:
        raise CannotRun(f"run cannot be read as a command: {error} in {run!r}") from error
    if not words or "\0" in run:
        raise CannotRun(f"run holds no command: {run!r}")
    return words


def _fill(word: str, run: str, environment: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[2] or match[3]
        if match[1]:
            return "$"
        if name not in environment:
            known = ", ".join(sorted(environment))
            raise CannotRun(
                f"unknown variable ${name} in run = {run!r}; known: {known} "
                f"(write $${name} to leave it to a shell of your own)"
            )
        return environment[name]

    return _VARIABLE.sub(value, word)


def _find(program: str, written: str, folder: Path, path: str) -> Path:
    """Return the program; messages show it as `written`, for its value may be a secret."""
    if "/" in program:
        candidates = [folder / program]
        looked = f'in "{folder}"' if not program.startswith("/") else "at this path"
    else:
        candidates = [folder / place / program for place in path.split(":")] if program else []
        looked = f"in PATH {path}"
    present = [candidate for candidate in candidates if candidate.is_file()]
    for candidate in present:
        if os.access(candidate, os.X_OK):
            _check_interpreter(candidate, written)
            return candidate
    if present:
        raise CannotRun(f'not executable: "{written}" (mend: chmod +x "{present[0]}")')
    if any(candidate.is_dir() for candidate in candidates):
        raise CannotRun(f'not a program but a folder: "{written}" (looked {looked})')
    raise CannotRun(f'command not found: "{written}" (looked {looked})')


def _check_interpreter(program: Path, written: str) -> None:
    """A moved virtual environment leaves scripts whose first line names a python that is gone."""
    try:
        with program.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return  # executable but unreadable: fine for a binary
    words = first[2:].split() if first.startswith(b"#!") else []
    interpreter = Path(os.fsdecode(words[0])) if words else None
    if interpreter is not None and interpreter.is_absolute() and not interpreter.exists():
        raise CannotRun(f'interpreter of "{written}" not found: "{interpreter}"')
