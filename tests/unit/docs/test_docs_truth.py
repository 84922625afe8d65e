"""What the documentation shows works: commands, links, settings and bodies of requests."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import TypeAdapter

from dreamnet.cli.dreams import Abbreviated
from dreamnet.cli.main import cli
from dreamnet.model.settings import SECTIONS, SERVICES, load_settings
from dreamnet.web.requests import AgentCall

ROOT = Path(__file__).parents[3]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
COMMAND = re.compile(r"^(?:\$ )?dreamnet (.+)$", re.MULTILINE)
BODY = re.compile(r"-d '(\{\s*\"agent\".*?\})'", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
OPERATORS = {"&&", "||", "|", ";"}
ENOUGH = 'run = "stand-in"\n'


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the fenced blocks of these languages ("" is none)."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for language, text in found if language in languages]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


# -- commands


def one_command(line: str) -> list[str]:
    """Return the words up to the shell's own: an operator, a comment."""
    words = shlex.split(line, comments=True)
    end = next((at for at, word in enumerate(words) if word in OPERATORS), len(words))
    return words[:end]


def whole_commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks(page, "", "sh", "bash", "console"):
            yield from ((name(page), line) for line in COMMAND.findall(block))


def mentioned_commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        spans = INLINE.findall(prose(page))
        yield from ((name(page), line) for span in spans for line in COMMAND.findall(span))


def parse(words: list[str], command: click.Command = cli) -> None:
    """Parse as the command line would, and run nothing; UsageError when it would refuse."""
    if isinstance(command, Abbreviated):
        words = command.spelled_out(words)
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            raise click.UsageError(f"there is no command {words[0]}")
        parse(words[1:], found)
        return
    try:
        command.make_context("dreamnet", list(words))
    except click.exceptions.NoArgsIsHelpError as error:
        raise click.MissingParameter(ctx=error.ctx) from error
    except click.exceptions.Exit:
        return  # --help and --version


@pytest.mark.parametrize(("page", "line"), sorted(set(whole_commands())))
def test_commands_in_blocks_are_accepted_as_they_stand(page: str, line: str) -> None:
    del page
    parse(one_command(line))


@pytest.mark.parametrize(("page", "line"), sorted(set(mentioned_commands())))
def test_commands_in_the_text_exist(page: str, line: str) -> None:
    del page
    try:
        parse(one_command(line))
    except click.MissingParameter:
        return  # the text names the command, not a whole line
    except click.BadParameter:
        assert re.search(r"\b[A-Z]{3,}\b", line), "no placeholder such as COUNT, so a wrong value"


def test_a_wrong_command_is_found() -> None:
    for words in (
        ["bounce", "shop"],
        ["up", "--detached"],
        ["reef", "statuses"],
        ["scale", "shop"],
    ):
        with pytest.raises(click.UsageError):
            parse(words)


# -- links


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_a_page_and_a_heading(page: Path) -> None:
    broken: list[str] = []
    for link in LINK.findall(prose(page)):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    listed = {
        (ROOT / "docs" / link.partition("#")[0]).resolve()
        for link in LINK.findall((ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
    }
    shown = {*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("how-to/**/*.md")}
    shown |= set((ROOT / "docs").glob("reference/*.md"))
    assert shown - {ROOT / "docs" / "README.md"} - listed == set()


# -- settings


def settings_blocks() -> list[tuple[str, str]]:
    found = [(name(page), block) for page in PAGES for block in blocks(page, "toml")]
    return [(page, block) for page, block in found if "[project" not in block]


def completed(block: str) -> str:
    """Return a block as a whole file: a fragment gets the service, a service its command."""
    tables: dict[str, Any] = tomllib.loads(block)
    if set(tables) - {*SECTIONS, SERVICES}:  # keys of a service, shown without their table
        return f"[services.example]\n{ENOUGH}{block}"
    services: dict[str, Any] = tables.get(SERVICES, {})
    if not services:
        return f"{block}\n[services.example]\n{ENOUGH}"
    for service, table in services.items():
        if not {"run", "watch"} & set(table):
            block += f"\n[services.{service}]\n{ENOUGH}"
    return block


def furnish(folder: Path, text: str) -> None:
    """Make the programs, folders and files that a configuration names."""
    tables = tomllib.loads(text)[SERVICES].values()
    for service in (table for table in tables if "watch" not in table):
        home = folder / service.get("path", ".")
        home.mkdir(parents=True, exist_ok=True)
        health = service.get("health", {})
        asked = [health[one] for one in ("live", "ready") if isinstance(health.get(one), dict)]
        commands = [service["run"], *(one["command"] for one in asked if "command" in one)]
        for program in (shlex.split(command)[0] for command in commands):
            make_program(home / program if "/" in program else folder / "bin" / program)
        for source in service.get("env", {}).get("from", []):
            (home / source.partition(":")[2]).touch()


def make_program(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o755)


@pytest.mark.parametrize(("page", "block"), settings_blocks())
def test_settings_are_accepted(
    page: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del page
    text = completed(block)
    furnish(tmp_path, text)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    file = tmp_path / "dreamnet.toml"
    file.write_text(text, encoding="utf-8")
    settings = load_settings(file)
    assert settings.services or settings.watches


# -- requests


def request_bodies() -> list[tuple[str, str]]:
    found = [(name(page), block) for page in PAGES for block in blocks(page, "sh", "bash", "")]
    return [(page, body) for page, block in found for body in BODY.findall(block)]


@pytest.mark.parametrize(("page", "body"), request_bodies())
def test_bodies_of_requests_are_accepted(page: str, body: str) -> None:
    del page
    call: AgentCall = TypeAdapter[AgentCall](AgentCall).validate_json(body)
    assert call.input


def test_all_four_agents_are_shown() -> None:
    bodies = "".join(body for _, body in request_bodies())
    agents = ("dreamkeeper", "deploykeeper", "envkeeper", "relaybot")
    assert [agent for agent in agents if f'"agent": "{agent}"' not in bodies] == []
