"""The tables of `cli.md`, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from dreamnet.cli.main import cli
from tools.reference.sections import cell, headings, table, with_table

_HEAD = ("option", "what it does")
# Said once for every command, at the top of the page.
_COMMON = frozenset({"--file", "--json", "--help"})


def commands(
    group: click.Group = cli, path: str = "dreamnet"
) -> Iterator[tuple[str, click.Command]]:
    """Return every command with its whole name, groups before what is in them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def renewed(text: str) -> str:
    """Return the page with every command's options; a command without a section gets one."""
    for name, command in commands():
        heading = re.compile(rf"`{re.escape(name)}(?: [^a-z`][^`]*)?`")
        written = table(_HEAD, list(_options(command)))
        text = with_table(text, heading, written) or _with_section(text, name, command, written)
    gone = [one for one in headings(text) if one.startswith("`dreamnet ") and not _is_known(one)]
    if gone:
        raise ValueError(f"docs/reference/cli.md describes what is not there: {', '.join(gone)}")
    return text


def _is_known(heading: str) -> bool:
    words = heading.strip("`").split()
    return any(words[: len(name.split())] == name.split() for name, _ in commands())


def _options(command: click.Command) -> Iterator[tuple[str, str]]:
    for option in command.params:
        if not isinstance(option, click.Option) or option.hidden or _COMMON & {*option.opts}:
            continue
        value = "" if option.is_flag or option.count else f" {_metavar(option)}"
        names = sorted(option.opts, key=len, reverse=True)
        first = f"`{names[0]}{value}`"
        shown = ", ".join([first, *(f"`{one}`" for one in names[1:])])
        yield shown, cell(option.help or "") + _default(option)


def _default(option: click.Option) -> str:
    is_plain = isinstance(option.default, int | str) and not option.is_flag
    return f" Default: `{option.default}`." if is_plain and option.default != "" else ""


def _metavar(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(option.type.choices).replace("|", "\\|")
    if isinstance(option.type, click.IntRange) or option.type is click.INT:
        return "N"
    return option.type.name.upper()


def _with_section(text: str, name: str, command: click.Command, written: str) -> str:
    places = [
        one.metavar or (one.name or "").upper()
        for one in command.params
        if isinstance(one, click.Argument)
    ]
    title = " ".join([name, *places])
    prose = "\n\n".join(
        " ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n")
    )
    epilog = f"\n{command.epilog}\n" if command.epilog else ""
    return f"{text.rstrip()}\n\n## `{title}`\n\n{prose}\n\n{written}{epilog}"
