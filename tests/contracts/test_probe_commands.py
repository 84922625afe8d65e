"""Command probes with real programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest
from probing import Story, first_answer, on_uvloop, probe, probing, target, until

from dreamnet.kernel.filelimit import FILE_LIMIT_VARIABLE
from dreamnet.model.facts import Probed


async def ran(command: str, folder: Path, **environment: str) -> Probed:
    whole = {"PATH": os.environ["PATH"], **environment}
    asked = probe("command", command=command, timeout="5s")
    return await first_answer(target(4711, asked, folder=str(folder), environment=whole))


async def test_command_exit_0_is_good_and_silent(tmp_path: Path) -> None:
    fact = await ran("echo all is well", tmp_path)
    assert (fact.good, fact.output) == (True, "exit code 0")


async def test_command_runs_in_its_folder_with_its_environment_and_no_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_SECRET", "of-the-node")
    script = tmp_path / "ask"
    script.write_text('#!/bin/sh\necho "$PWD|$PORT|$COLOUR|$OWN_SECRET|$*"\nexit 3\n')
    script.chmod(0o755)
    fact = await ran("./ask '$PORT;id' ${COLOUR} $UNKNOWN '*'", tmp_path, COLOUR="red")
    said = f"{tmp_path}|4711|red||4711;id red $UNKNOWN *"
    assert (fact.good, fact.output) == (False, "exit code 3: " + said)


async def test_command_quotes_the_end_of_a_flood(tmp_path: Path) -> None:
    flood = "import sys; print('x' * 500_000 + ' the end'); sys.exit(1)"
    fact = await ran(f'{sys.executable} -c "{flood}"', tmp_path)
    assert fact.output.startswith("exit code 1: x")
    assert fact.output.endswith("x the end")
    assert len(fact.output) == len("exit code 1: ") + 200


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-program --port 1", "the command cannot run: no such file or directory"),
        ("./plain", "the command cannot run: permission denied: ./plain"),
        ("sh -c 'kill -9 $$'", "killed by signal 9"),
        ("echo 'open quote", "the command cannot be read: No closing quotation"),
        ("", "the command cannot be read: it is empty"),
        ("echo a\0b", "the command cannot run: embedded null byte: echo"),
    ],
)
async def test_command_that_cannot_run_says_why(tmp_path: Path, command: str, words: str) -> None:
    (tmp_path / "plain").write_text("not executable")
    fact = await ran(command, tmp_path)
    assert not fact.good
    assert fact.output.startswith(words)


async def test_command_its_whole_group_is_killed_at_the_limit(tmp_path: Path) -> None:
    script = tmp_path / "hang"
    script.write_text("#!/bin/sh\nsleep 1000 &\necho $! >child\nsleep 1000\n")
    script.chmod(0o755)
    asked = probe("command", command="./hang", timeout="300ms")
    whole = {"PATH": os.environ["PATH"]}
    fact = await first_answer(target(1, asked, folder=str(tmp_path), environment=whole))
    assert (fact.good, fact.output) == (False, "no answer within 300 ms")
    child = int((tmp_path / "child").read_text())
    await until(lambda: not alive(child))


async def test_command_children_left_behind_are_killed_and_do_not_delay(tmp_path: Path) -> None:
    script = tmp_path / "litter"
    script.write_text("#!/bin/sh\nsleep 1000 &\necho $! >child\nexit 0\n")
    script.chmod(0o755)
    fact = await ran("./litter", tmp_path)
    assert fact.good
    assert fact.took_ms < 3000
    child = int((tmp_path / "child").read_text())
    await until(lambda: not alive(child))


async def test_command_is_killed_when_its_instance_is_forgotten(tmp_path: Path) -> None:
    script = tmp_path / "hang"
    script.write_text("#!/bin/sh\necho $$ >started.tmp\nmv started.tmp started\nexec sleep 1000\n")
    script.chmod(0o755)
    asked = probe("command", command="./hang", timeout="60s")
    whole = {"PATH": os.environ["PATH"]}
    async with probing(target(1, asked, folder=str(tmp_path), environment=whole)) as heard:
        await until((tmp_path / "started").exists)
        heard.prober.follow({})
        pid = int((tmp_path / "started").read_text())
        await until(lambda: not alive(pid))
    assert heard.facts == []


async def test_command_probes_are_bounded(tmp_path: Path) -> None:
    script = tmp_path / "count"
    script.write_text(
        "#!/bin/sh\ntouch running.$$\nls | grep -c running. >>seen\nsleep 0.1\nrm running.$$\n"
    )
    script.chmod(0o755)
    asked = probe("command", command="./count", timeout="20s")
    whole = {"PATH": os.environ["PATH"]}
    targets = [
        target(1, asked, name=f"i-{number}", folder=str(tmp_path), environment=whole)
        for number in range(20)
    ]
    async with probing(*targets) as heard:
        for one in targets:
            await heard.until(lambda fact, one=one: fact.instance == one.instance.id)
    most = max(int(line) for line in (tmp_path / "seen").read_text().split())
    assert 2 <= most <= 8


async def test_command_whose_status_somebody_else_took_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = os.waitpid

    def taken(pid: int, options: int) -> tuple[int, int]:
        take(pid, options)
        return take(pid, options)

    monkeypatch.setattr(os, "waitpid", taken)
    fact = await ran("true", tmp_path)
    assert (fact.good, fact.output) == (False, "ended, status unknown")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_secret_on_the_command_line_is_not_shown(tmp_path: Path) -> None:
    fact = await ran("$TOOL --now", tmp_path, TOOL="secret-tool-name")
    assert fact.output == "the command cannot run: no such file or directory: ***"


@pytest.mark.parametrize(
    "story",
    [
        test_command_exit_0_is_good_and_silent,
        test_command_quotes_the_end_of_a_flood,
        test_command_its_whole_group_is_killed_at_the_limit,
        test_command_children_left_behind_are_killed_and_do_not_delay,
        test_command_is_killed_when_its_instance_is_forgotten,
        test_a_secret_on_the_command_line_is_not_shown,
    ],
)
def test_the_same_holds_on_uvloop(story: Story, tmp_path: Path) -> None:
    on_uvloop(story(tmp_path))


async def test_command_gets_the_file_limit_that_dreamnet_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE_LIMIT_VARIABLE, "256")
    fact = await ran("sh -c 'sleep 0.2; ulimit -S -n; exit 3'", tmp_path)
    assert fact.output == "exit code 3: 256"
