"""How processes are started: environment, folder, command, and clear reasons when they cannot."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from platform_stage import GRACE, PATH, Stage, staged

from dreamnet.drivers.platforms.base import Start
from dreamnet.kernel.errors import Corrupt
from dreamnet.kernel.filelimit import FILE_LIMIT_VARIABLE
from dreamnet.model.instances import InstanceState
from dreamnet.model.services import ServiceName, ServiceSpec, Slot


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


async def reason(stage: Stage, run: str, **variables: str) -> str:
    refused = await stage.start(run, key=run, **variables)
    assert refused.state is InstanceState.EXITED
    assert refused.pid is None
    assert refused.exit is not None
    return refused.exit.reason


async def test_the_environment_is_made_from_scratch(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_SECRET", "must not leak")
    started = await stage.start("/usr/bin/env -0", GREETING="a b\nc 'd' $HOME", EMPTY="")
    await stage.until_exited(started.id)
    log = next((stage.folder / "logs" / "shop").iterdir()).read_bytes()
    assert dict(entry.split("=", 1) for entry in log.decode().split("\0") if entry) == {
        "PATH": PATH,
        "GREETING": "a b\nc 'd' $HOME",
        "EMPTY": "",
        "PORT": str(started.port),
        "DREAMNET_SERVICE": "shop",
        "DREAMNET_SLOT": "1",
        "DREAMNET_INSTANCE": started.id,
    }


async def test_an_application_has_default_signals_no_input_and_no_strange_handles(
    stage: Stage,
) -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    code = (
        "import os, signal; print(os.getcwd());"
        "print(signal.getsignal(signal.SIGQUIT) == signal.SIG_DFL);"
        "print(repr(os.read(0, 1)));"
        "print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:3], os.getsid(0) != %d);"
        f"print([n for n in (3, {theirs}) if os.path.exists(f'/proc/self/fd/{{n}}') and"
        " 'pipe' in os.readlink(f'/proc/self/fd/{n}')]); print('ready')" % os.getsid(0)
    )
    started = await stage.python(code)
    os.close(ours)
    os.close(theirs)
    assert await stage.lines(started.id) == [
        str(stage.folder), "True", "b''", "[0, 1, 2] True", "[]", "ready",
    ]  # fmt: skip


async def test_run_is_filled_word_by_word_and_given_to_no_shell(stage: Stage) -> None:
    started = await stage.start("printf '%s|' $PORT ${GREETING} $$HOME '*' ';' $1", GREETING="a  b")
    await stage.until_exited(started.id)
    assert await stage.lines(started.id) == [f"{started.port}|a  b|$HOME|*|;|$1|"]


async def test_relative_commands_are_found_in_the_folder_of_the_service(stage: Stage) -> None:
    tool = stage.folder / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho here\n")
    tool.chmod(0o755)
    by_path = await stage.start("bin/tool", key="a")
    by_search = await stage.start("tool", key="b", PATH="/nowhere:bin")
    for started in (by_path, by_search):
        await stage.until_exited(started.id)
        assert await stage.lines(started.id) == ["here"]


async def test_the_port_is_free_and_below_the_kernels_own_range(stage: Stage) -> None:
    started = await stage.start("sleep 60")
    with socket.socket() as probe:
        probe.bind((started.host, started.port))
    assert 1024 <= started.port < 65536


async def test_commands_that_can_never_run_say_why(stage: Stage) -> None:
    (stage.folder / "plain").write_text("text")
    moved = stage.folder / "moved"
    moved.write_text("#!/gone/venv/bin/python\n")
    moved.chmod(0o755)
    assert await reason(stage, "gunicorn app") == (
        f'command not found: "gunicorn" (looked in PATH {PATH})'
    )
    assert await reason(stage, ".venv/bin/uvicorn") == (
        f'command not found: ".venv/bin/uvicorn" (looked in "{stage.folder}")'
    )
    assert "(looked at this path)" in await reason(stage, "/no/such/thing")
    assert (await reason(stage, "./plain")).startswith('not executable: "./plain" (mend: chmod +x')
    assert await reason(stage, "./moved") == (
        'interpreter of "./moved" not found: "/gone/venv/bin/python"'
    )
    assert "not a program but a folder" in await reason(stage, "./")
    assert "No closing quotation" in await reason(stage, "sh -c 'oops")
    assert "no command" in await reason(stage, "  ")


async def test_an_unknown_variable_is_named_and_values_stay_secret(stage: Stage) -> None:
    said = await reason(stage, "sleep $DELAY", PASSWORD="hunter2")
    assert said.startswith("unknown variable $DELAY in run = 'sleep $DELAY'; known: ")
    assert "PASSWORD" in said
    assert "hunter2" not in said + await reason(stage, "$PASSWORD x", PASSWORD="hunter2")


async def test_variables_that_no_shell_can_pass_on_are_refused(stage: Stage) -> None:
    assert 'not a variable name: "a.b"' in await reason(stage, "sleep 1", **{"a.b": "1"})
    assert "variable IFS belongs to the shell" in await reason(stage, "sleep 2", IFS="x")
    assert "value of variable A holds a NUL" in await reason(stage, "sleep 3", A="secret\0")
    assert "too long for the kernel" in await reason(stage, "sleep 4", A="x" * 3_000_000)


async def test_a_missing_folder_is_a_reason(stage: Stage) -> None:
    for place, said in (("gone", "does not exist"), ("file", "is not a folder")):
        (stage.folder / "file").write_text("")
        folder = str(stage.folder / place)
        spec = ServiceSpec(name=ServiceName("shop"), folder=folder, run="sleep 1")
        refused = await stage.platform.start(Start(spec, Slot(1), {}), place)
        assert refused.exit is not None
        assert refused.exit.reason == f'folder {said}: "{folder}"'


async def test_a_refusal_is_remembered_by_the_next_node(stage: Stage) -> None:
    said = await reason(stage, "gone")
    await stage.again()
    assert await reason(stage, "gone") == said
    assert len(await stage.platform.observe()) == 1


async def test_no_value_of_the_environment_is_written_to_disk(stage: Stage) -> None:
    await stage.start("sleep 60", PASSWORD="hunter2")
    files = [each for each in stage.folder.rglob("*") if each.is_file()]
    assert len(files) >= 3
    assert not [each for each in files if b"hunter2" in each.read_bytes()]
    homes = [each for each in (stage.folder / "instances").rglob("*") if each.is_dir()]
    assert {each.stat().st_mode & 0o777 for each in homes} == {0o700}


async def test_an_unreadable_record_is_kept_and_said(stage: Stage) -> None:
    started = await stage.start("sleep 60")
    await stage.platform.stop(started.id, GRACE)
    await stage.platform.close()
    (stage.home(started.id) / "instance.json").write_text("{")
    await stage.again()
    assert await stage.platform.observe() == ()
    with pytest.raises(Corrupt, match="in the way"):
        await stage.start("sleep 60")


async def test_exit_codes_are_kept(stage: Stage) -> None:
    for code in (0, 3, 127):
        started = await stage.start(f"sh -c 'exit {code}'", key=str(code))
        ended = await stage.until_exited(started.id)
        assert ended.exit is not None
        assert (ended.exit.code, ended.exit.signal, ended.exit.expected) == (code, None, False)


async def test_an_instance_gets_the_file_limit_that_dreamnet_was_started_with(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE_LIMIT_VARIABLE, "256")
    started = await stage.python("print('ready'); import time; time.sleep(60)")
    limits = (Path("/proc") / str(started.pid) / "limits").read_text()
    [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert line.split()[3] == "256"
    assert int(line.split()[4]) > 256, "it may still raise it itself"
