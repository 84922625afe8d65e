"""`dreamnet install`: lets systemd start this node at boot and keep it running."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dreamnet.cli.down import stop_limit_s
from dreamnet.cli.failure import Failure
from dreamnet.cli.here import Here, note, with_here
from dreamnet.cli.up import node_command
from dreamnet.kernel.environ import base_environment, variable

if TYPE_CHECKING:
    from dreamnet.app.unit import Unit
    from dreamnet.cli.place import Place

STOP_MARGIN_S = 30.0
_SYSTEM = Path("/etc/systemd/system")
_RUNNING = Path("/run/systemd/system")  # as sd_booted(3) has it
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")


@click.command(epilog="Example: dreamnet install --user")
@click.option("--user", "own", is_flag=True, help="For your own systemd; no root is needed.")
@click.option("--remove", is_flag=True, help="Take the unit away; what runs goes on.")
@click.option("--print", "only_print", is_flag=True, help="Print the unit; write nothing.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; do nothing.")
@with_here
def install(here: Here, own: bool, remove: bool, only_print: bool, dry_run: bool) -> None:
    """Let systemd start this node at boot and keep it running.

    Writes and enables a unit for this dreamnet.toml: a system unit that runs as the file's owner,
    or your own with --user. Nothing is started. A unit that is not DreamNet's is never touched.
    Exit codes: 0 done, or nothing to do; 1 refused, or the unit cannot be written; 2 wrong usage or
    configuration.
    """
    from dreamnet.app.unit import render

    place = here.place()
    unit = _unit(place, own=own)
    text = render(unit)
    if only_print:
        click.echo(text, nl=False)
        return
    target = _folder(own=own) / unit.name
    _refuse_foreign(target, unit)
    old = target.read_text("utf-8") if target.exists() else None
    new = None if remove else text
    if not dry_run:
        if old != new:
            _write(target, new)
        _tell_systemd(unit.name, own=own, remove=remove)
    done = "nothing to do" if old == new else _words(old, new, dry_run=dry_run)
    _say(here, target, done, own=own, is_over=dry_run or remove)


def _unit(place: Place, *, own: bool) -> Unit:
    from dreamnet.app.unit import Unit

    passed = base_environment()
    return Unit(
        file=place.file,
        command=_command(place.file),
        environment={name: passed[name] for name in _PASSED_ON if name in passed},
        user=None if own else _owner(place.file),
        stop_limit_s=stop_limit_s(place.file) + STOP_MARGIN_S,
    )


def _command(file: Path) -> tuple[str, ...]:
    """Return what systemd runs: this Python, however it is found on anybody's PATH."""
    python, *options = node_command(file)[:2]
    return (python, *options, "-m", "dreamnet", "up", "--file", str(file))


def _owner(file: Path) -> str:
    try:
        return pwd.getpwuid(file.stat().st_uid).pw_name
    except KeyError:
        return str(file.stat().st_uid)


def _folder(*, own: bool) -> Path:
    if not own:
        return _SYSTEM
    config = variable("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "systemd" / "user"


def _refuse_foreign(target: Path, unit: Unit) -> None:
    """Refuse to touch a unit that another hand wrote, or that is another folder's."""
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.read_text("utf-8", "replace").startswith(unit.mark + "\n"):
        raise Failure("this unit is not DreamNet's", str(target), "move it away, or rename it")


def _words(old: str | None, new: str | None, *, dry_run: bool) -> str:
    done = "removed" if new is None else "written" if old is None else "replaced"
    return f"would be {done}" if dry_run else done


def _write(target: Path, text: str | None) -> None:
    try:
        if text is None:
            target.unlink()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_text(text, "utf-8")
        draft.chmod(0o644)
        draft.replace(target)
    except OSError as error:
        mend = "run this as root, or use: dreamnet install --user"
        raise Failure(f"it cannot be written: {error.strerror}", str(target), mend) from error


def _tell_systemd(name: str, *, own: bool, remove: bool) -> None:
    """Let a running systemd read the unit and start it at boot; where none runs, nothing."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not _RUNNING.is_dir():
        return
    scope = ["--user"] if own else []
    steps = [["disable", name]] if remove else []
    steps += [["daemon-reload"], *([] if remove else [["enable", name]])]
    for step in steps:
        done = subprocess.run(
            [systemctl, *scope, *step], capture_output=True, text=True, check=False
        )
        if done.returncode != 0 and not remove:
            said = done.stderr.strip() or f"exit code {done.returncode}"
            shown = " ".join(["systemctl", *scope, *step])
            raise Failure(f"{shown}: {said}", name, "run it by hand; the unit is written")


def _say(here: Here, target: Path, done: str, *, own: bool, is_over: bool) -> None:
    systemctl = "systemctl --user" if own else "systemctl"
    start = f"{systemctl} start {target.name}"
    if here.as_json:
        here.show_json({"unit": str(target), "done": done, "start": start})
        return
    click.echo(f"{target}: {done}")
    if is_over:
        return
    if not _RUNNING.is_dir():
        note(f"systemd does not run here; where it does: {systemctl} enable --now {target.name}")
        return
    note(f"next: dreamnet down, then: {start}")
    if own:
        note("to run without a login: loginctl enable-linger")
