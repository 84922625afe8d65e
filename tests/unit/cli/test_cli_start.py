"""The command line itself: it starts fast, every command is documented, errors have one shape."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from cli_world import Reply, World

from dreamnet.cli.main import COMMANDS, cli

Run = Callable[..., Any]
_HEAVY = ("pydantic", "fastapi", "sqlalchemy", "aiohttp", "rich")
_REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def _commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                yield from _commands(found, f"{path} {name}".strip())
    if path:
        yield path, command


_ALL = dict(_commands(cli))


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"], ["up"], ["down"], ["status"]])
def test_heavy_libraries_are_not_imported(tmp_path: Path, arguments: list[str]) -> None:
    """`up` meets a root that holds the folder, so it ends after all its imports."""
    (tmp_path / "dreamnet.toml").write_text("")
    (tmp_path / ".dreamnet").mkdir()
    code = f"""
import fcntl, sys
from dreamnet.cli.main import main
held = open(".dreamnet/root.lock", "w")
if {arguments == ["up"]}:
    held.write("1"); held.flush(); fcntl.flock(held, fcntl.LOCK_EX)
main({arguments!r})
print([name for name in {_HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stderr.splitlines()[-1] == "[]", ran.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    help_text = (_ALL[name].help or "").strip()
    first = " ".join(help_text.split("\n\n")[0].split())
    if name not in {"demo", "init"}:  # their authors word them at length
        assert first == COMMANDS[name][1]


@pytest.mark.parametrize("path", _ALL)
def test_help_has_an_example(path: str) -> None:
    assert re.search(r"Examples?:\s+dreamnet |Example:\s+cd ", _ALL[path].epilog or "")


@pytest.mark.parametrize("path", _ALL)
def test_every_command_and_option_is_in_the_reference(path: str) -> None:
    """A word in the manual is the promise; whatever is missing there is not."""
    text = _REFERENCE.read_text(encoding="utf-8")
    section = re.search(rf"^## `dreamnet {path}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/reference/cli.md lacks: ## `dreamnet {path}`"
    options = [one for one in _ALL[path].params if isinstance(one, click.Option)]
    names = {name for one in options for name in one.opts if name.startswith("--")}
    common = {"--file", "--json"}  # told once, at the top
    assert {name for name in names - common if f"`{name}" not in section[0]} == set()


@pytest.mark.parametrize("path", _ALL)
def test_every_command_has_json(path: str) -> None:
    is_group = isinstance(_ALL[path], click.Group)
    names = {name for one in _ALL[path].params for name in one.opts}
    assert is_group or "--json" in names


def test_the_reference_knows_no_command_that_is_gone() -> None:
    text = _REFERENCE.read_text(encoding="utf-8")
    told = set(re.findall(r"^## `dreamnet ([a-z ]+?)(?: [A-Z\[].*)?`", text, re.MULTILINE))
    assert told == set(_ALL)


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("dreamnet 0")


# -- errors


@pytest.mark.parametrize("arguments", [["nope"], ["restart"], ["status", "--nope"], ["scale", "a"]])
def test_wrong_usage_is_2(world: World, run: Run, arguments: list[str]) -> None:
    said = run(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "--help" in said.err
    assert run(*arguments, "--json").error["code"] == 2


def test_no_settings_is_2_and_says_init(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run("status")
    assert said.code == 2
    assert "dreamnet init" in said.err
    assert run("up").code == 2


def test_the_settings_of_a_parent_are_found(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = world.folder / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert run("status").code == 0


def test_file_names_the_settings(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert run("status", "--file", str(world.folder / "dreamnet.toml")).code == 0
    assert run("status", "--file", str(world.folder)).code == 2
    assert run("status", "--file", "missing.toml").code == 2


def test_the_data_directory_is_the_files(world: World, run: Run) -> None:
    (world.folder / "dreamnet.toml").write_text('[node]\ndata_dir = "elsewhere"\n')
    assert run("status").code == 3
    world.data_dir.rename(world.folder / "elsewhere")
    assert run("status").code == 0


def test_broken_settings_do_not_hinder_a_running_node(world: World, run: Run) -> None:
    (world.folder / "dreamnet.toml").write_text("[node\n")
    said = run("status", "--json")
    assert said.code == 0
    assert said.json["node"]["ready"]
    assert "warning" in said.err


def test_no_node_is_3(world: World, run: Run) -> None:
    (world.data_dir / "node.json").unlink()
    for command in (["status"], ["dreams"], ["restart", "shop"], ["logs", "shop"], ["events"]):
        said = run(*command)
        assert (said.code, said.out) == (3, "")
        assert 'start one with "dreamnet up"' in said.err


def test_a_dead_nodes_address_is_not_followed(world: World, run: Run) -> None:
    """Another project's node may listen there now."""
    record = json.loads((world.data_dir / "node.json").read_text())
    record["start_ticks"] += 1
    (world.data_dir / "node.json").write_text(json.dumps(record))
    assert run("restart", "shop").code == 3
    assert world.seen == []


def test_an_answer_that_is_no_json_is_told(world: World, run: Run) -> None:
    world.routes["/api/status"] = Reply(b"{broken")
    said = run("status", "--json")
    assert (said.code, said.out) == (3, "")
    assert "broken JSON" in said.error["what"]


def test_a_reader_that_left_ends_the_command_quietly(world: World) -> None:
    world.routes["/api/ledger"] = Reply({"rows": [{**_row(n)} for n in range(2000)]})
    script = f'{sys.executable} -m dreamnet events | head -1; echo "${{PIPESTATUS[0]}}"'
    ran = subprocess.run(
        ["bash", "-c", script], cwd=world.folder, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "141"
    assert ran.stderr == ""


def _row(number: int) -> dict[str, Any]:
    at = "2026-01-02T03:04:05Z"
    return {"seq": number, "at": at, "kind": "k", "subject": "s", "body": {"words": "w" * 200}}


def test_ctrl_c_is_130_without_a_traceback(world: World) -> None:
    world.routes["/api/logs/shop"] = Reply(
        b'{"instance": "i", "slot": 1, "line": "hi"}\n', kind="application/x-ndjson"
    )
    command = [sys.executable, "-m", "dreamnet", "logs", "shop", "-f"]
    ran = subprocess.Popen(
        command, cwd=world.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with ran:
        assert ran.stdout is not None
        assert ran.stdout.readline() == "1 | hi\n"
        os.kill(ran.pid, signal.SIGINT)
        _, errors = ran.communicate(timeout=20)
    assert ran.returncode == 130
    assert "Traceback" not in errors
    assert "the service goes on" in errors


# -- halt


def test_halt_and_resume_need_no_node(world: World, run: Run) -> None:
    (world.data_dir / "node.json").unlink()
    assert run("halt", "--reason", "work").code == 0
    record = json.loads((world.data_dir / "halt").read_text())
    assert record["reason"] == "work"
    assert set(record) == {"reason", "at", "by"}
    assert "halted by" in run("status").err
    assert "work" in run("status", "--json").error["halted"]
    assert run("resume", "--json").json == {"halted": False, "was_halted": True}
    assert not (world.data_dir / "halt").exists()
    assert run("resume").out == "it was not halted\n"


def test_a_halt_without_words_is_a_halt(world: World, run: Run) -> None:
    (world.data_dir / "node.json").unlink()
    (world.data_dir / "halt").write_text("{")
    assert "halted" in run("status").err


def test_halt_where_nothing_ever_ran(world: World, run: Run) -> None:
    (world.data_dir / "node.json").unlink()
    world.data_dir.rmdir()
    assert run("halt").code == 0
    assert (world.data_dir / "halt").exists()
