"""`dreamnet halt` and `resume`: the kill switch, a file, so that it works with the node wedged."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path

import click

from dreamnet.cli.failure import Failure
from dreamnet.cli.here import Here, with_here
from dreamnet.cli.place import Place
from dreamnet.kernel.clock import SystemClock


@click.command(epilog='Example: dreamnet halt --reason "somebody works on the database"')
@click.option("--reason", default="", help="Why; `dreamnet status` shows it.")
@with_here
def halt(here: Here, reason: str) -> None:
    """Let no action out any more; traffic flows on.

    Nothing is healed meanwhile: a gateway that dies while DreamNet is halted stays dead.
    Needs no node: a dead or wedged one obeys too, as it reads the file `halt` in the data
    directory before each action. Exit codes: 0 halted; 1 the file cannot be written.
    """
    place = here.place()
    record = {"reason": reason, "at": SystemClock().now().isoformat(), "by": _user()}
    try:
        place.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(place.halt_file, json.dumps(record))
    except OSError as error:
        raise _refused(place, error, "written") from error
    _say(here, {"halted": True, **record}, "halted: no action is let out; undo: dreamnet resume")


@click.command(epilog="Example: dreamnet resume")
@with_here
def resume(here: Here) -> None:
    """Let actions out again after a halt.

    Needs no node. Exit codes: 0 not halted any more; 1 the file cannot be removed.
    """
    place = here.place()
    was_halted = os.path.lexists(place.halt_file)
    try:
        place.halt_file.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(place, error, "removed") from error
    words = "resumed: actions are let out again" if was_halted else "it was not halted"
    _say(here, {"halted": False, "was_halted": was_halted}, words)


def _write(file: Path, text: str) -> None:
    """Write the file as a whole: a half written one halts too, but tells nobody why."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"user {os.getuid()}"


def _refused(place: Place, error: OSError, done: str) -> Failure:
    mend = "run this as the user who runs DreamNet"
    return Failure(f"it cannot be {done}: {error.strerror}", str(place.halt_file), mend)


def _say(here: Here, body: dict[str, object], words: str) -> None:
    if here.as_json:
        here.show_json(body)
    else:
        click.echo(words)
