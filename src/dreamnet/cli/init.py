"""`dreamnet init`: writes a commented `dreamnet.toml` for the app in the current folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dreamnet.kernel.errors import Complaint, ConfigError, Conflict, UserError

FILE_NAME = "dreamnet.toml"
_EPILOG = "Example:  cd my-shop && dreamnet init && dreamnet up"


@click.command(epilog=_EPILOG)
@click.option("--force", is_flag=True, help="Replace a dreamnet.toml that is already there.")
@click.option("--dry-run", is_flag=True, help="Show what would be written; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")
def init(force: bool, dry_run: bool, as_json: bool) -> None:
    """Write a commented dreamnet.toml for the app in the current folder.

    Looks at the files here (Procfile, Django, FastAPI, Starlette, Flask, Node, Rails, Go; else
    pages in public/, dist/ or the like) and guesses the command, the route and the health paths.
    Nothing is run.
    """
    from dreamnet.cli.detect import detect
    from dreamnet.cli.template import render, service_name

    folder = Path.cwd()
    file = Path(FILE_NAME)
    name, guess = service_name(folder), detect(folder)
    text = render(name, guess, dotenv=(folder / ".env").is_file())
    if not dry_run:
        _write(file, text, force=force)
    report = {
        "file": str(folder / file),
        "written": not dry_run,
        "service": name,
        "kind": guess.kind,
        "run": guess.run,
        "route": f"{name}.localhost",
        "live": guess.live or None,
        "ready": guess.ready or None,
        "complaints": [] if dry_run else [vars(one) for one in _complaints(file)],
        "next": "dreamnet init" if dry_run else "dreamnet up",
    }
    _say(report, text, as_json=as_json)


def _write(file: Path, text: str, *, force: bool) -> None:
    """Write the file as a whole or not at all; Conflict when one is there and `force` is off."""
    if file.is_dir():
        raise Conflict.of("this is a folder", where=str(file), mend="move it away")
    try:
        if not force:
            with file.open("x", encoding="utf-8") as fresh:
                fresh.write(text)
            return
        beside = file.with_name(f".{file.name}.new")
        beside.write_text(text, "utf-8")
        beside.replace(file)
    except FileExistsError:
        raise Conflict.of(
            "the file is already there; it was not changed",
            where=str(file),
            mend="replace it with: dreamnet init --force",
        ) from None
    except OSError as error:
        raise UserError.of(
            f"the file cannot be written: {error.strerror}",
            where=str(file),
            mend="check the rights and the free space of this folder",
        ) from None


def _complaints(file: Path) -> tuple[Complaint, ...]:
    """Return what `dreamnet up` would say about the file as it stands."""
    from dreamnet.model.settings import load_settings

    try:
        load_settings(file)
    except ConfigError as error:
        return error.complaints
    return ()


def _say(report: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report | {"text": text}))
        return
    if not report["written"]:
        click.echo(text, nl=False)
        return
    click.echo(f"{report['file']} written for {report['kind']}")
    click.echo(f"  service  {report['service']}")
    click.echo(f"  run      {report['run']}")
    click.echo(f"  route    {report['route']}")
    probes = [f"{aspect} {report[aspect]}" for aspect in ("live", "ready") if report[aspect]]
    click.echo(f"  health   {', '.join(probes) or 'TCP (no health path was found)'}")
    for one in report["complaints"]:
        click.echo(f"\nTo mend before the start: {Complaint(**one)}")
    first = "mend that, then " if report["complaints"] else ""
    click.echo(f"\nNext: {first}{report['next']}")
