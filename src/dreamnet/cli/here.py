"""What every command that works on a node takes: `--file` and `--json`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

import click

if TYPE_CHECKING:
    from dreamnet.cli.node import Node
    from dreamnet.cli.place import Place

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Here:
    """Which settings the command was given, and whether a program reads its answer."""

    file: Path | None
    as_json: bool

    def place(self) -> Place:
        """Return where the command works; Failure when there is no dreamnet.toml."""
        from dreamnet.cli.place import find

        place = find(self.file)
        if place.doubt:
            note(f"warning: {place.file}: {place.doubt}; taking {place.data_dir}")
        return place

    def node(self, timeout_s: float = 10.0) -> Node:
        """Return the node that runs here; Failure with exit code 3 when none does."""
        from dreamnet.cli.node import find_node

        return find_node(self.place().data_dir, timeout_s)

    def show_json(self, body: Any) -> None:
        """Write one JSON value in one line."""
        click.echo(json.dumps(body))


def split_target(service: str, slot: int | None) -> tuple[str, int | None]:
    """Return service and slot of a target as the stories name it, such as `shop/1`."""
    name, slash, number = service.partition("/")
    if not slash:
        return service, slot
    if not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise click.UsageError(f'"{service}" is no target: write SERVICE or SERVICE/SLOT')
    if slot not in (None, int(number)):
        raise click.UsageError(f'"{service}" and --slot {slot} name two slots')
    return name, int(number)


def note(words: str) -> None:
    """Tell a person something that is no result: on stderr."""
    click.echo(words, err=True)


def with_here(command: Callable[Concatenate[Here, P], R]) -> Callable[P, R]:
    """Give a command the options `--file` and `--json` as its first argument."""

    @click.option(
        "--file",
        type=click.Path(path_type=Path),
        help="The dreamnet.toml to use; else the one in this folder or above.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Write JSON on stdout and nothing else.")
    @functools.wraps(command)
    def taking(*arguments: P.args, **options: P.kwargs) -> R:
        given = cast("dict[str, Any]", options)
        here = Here(given.pop("file"), given.pop("as_json"))
        return command(here, *arguments, **options)

    return taking
