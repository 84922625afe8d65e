"""`tools/setup.sh` chooses a Python that works, and names what is missing with its mend."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from house import ROOT

# What a bare machine has of programs that the script uses.
_TOOLS = (
    "sh",
    "cat",
    "cksum",
    "dirname",
    "basename",
    "uname",
    "getconf",
    "grep",
    "awk",
    "rm",
    "mv",
)


@dataclass(frozen=True)
class Machine:
    """A copy of the script on a machine with only the programs that a test puts there."""

    root: Path

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    def put(self, name: str, body: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def setup(self, use: str = "node", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(self.root / "tools/setup.sh"), use],
            env={"PATH": str(self.programs), **environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "programs").mkdir()
    (tmp_path / "tools").mkdir()
    for name in ("tools/setup.sh", "pyproject.toml", "requirements.lock", "requirements-node.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    for tool in _TOOLS:
        (tmp_path / "programs" / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool}"))
    return Machine(tmp_path)


# A Python as the script asks it: for its age, for venv, for its version, to make an environment.
_FAKE = """
case "$*" in
  *version_info' < '*) exit {old} ;;
  *ensurepip*) exit {bare} ;;
  *print*) echo {version} ;;
  *venv*) echo "made by {version}"; exit 7 ;;
esac
"""


def _python(version: str, *, old: bool = False, bare: bool = False) -> str:
    return _FAKE.format(version=version, old=int(old), bare=int(bare)).replace("' < '", "\\ \\<\\ ")


def test_no_python(machine: Machine) -> None:
    run = machine.setup()
    assert run.returncode == 1
    assert "there is no 'python3'" in run.stderr
    assert "mend: " in run.stderr


def test_python_without_venv_on_debian(machine: Machine) -> None:
    machine.put("python3", _python("3.11", bare=True))
    machine.put("apt-get", "exit 0")
    run = machine.setup()
    assert run.returncode == 1
    assert "no 'venv' module" in run.stderr
    assert "mend: apt-get install python3-venv" in run.stderr


def test_python_too_old(machine: Machine) -> None:
    machine.put("python3", _python("3.9", old=True))
    run = machine.setup()
    assert run.returncode == 1
    assert "needs Python 3.11 or newer; found only: python3 (3.9)" in run.stderr


def test_the_first_that_works_is_taken(machine: Machine) -> None:
    machine.put("python3", _python("3.9", old=True))
    machine.put("python3.13", _python("3.13", bare=True))
    machine.put("python3.12", _python("3.12"))
    machine.put("python3.11", _python("3.11"))
    run = machine.setup()
    assert "python3.12 (3.12)" in run.stderr
    assert run.returncode == 7


def test_the_user_may_name_one(machine: Machine) -> None:
    machine.put("python3", _python("3.13"))
    machine.put("mine", _python("3.11"))
    assert "mine (3.11)" in machine.setup(PYTHON="mine").stderr


@pytest.mark.parametrize(
    ("system", "hardware", "words"),
    [("Linux", "riscv64", "not supported"), ("Windows_NT", "x86_64", "WSL 2"),
     ("Darwin", "x86_64", "macOS 15")],
)  # fmt: skip
def test_unsupported_machines(machine: Machine, system: str, hardware: str, words: str) -> None:
    (machine.programs / "uname").unlink()
    machine.put("uname", f'[ "$1" = -s ] && echo {system} || echo {hardware}')
    run = machine.setup()
    assert run.returncode == 1
    assert words in run.stderr


@pytest.mark.skipif(
    sys.platform != "linux", reason="platform: the C library is asked on Linux only"
)
@pytest.mark.parametrize(
    ("answer", "words"),
    [("exit 1", "no GNU C library"), ("echo glibc 2.28", "glibc 2.28 is too old")],
)
def test_unsupported_c_library(machine: Machine, answer: str, words: str) -> None:
    (machine.programs / "getconf").unlink()
    machine.put("getconf", answer)
    assert words in machine.setup().stderr


def test_an_unknown_use(machine: Machine) -> None:
    run = machine.setup("everything")
    assert run.returncode == 1
    assert "tools/setup.sh dev" in run.stderr


def _pretend_ready(machine: Machine, use: str) -> None:
    """Leave what a finished set-up for `use` leaves."""
    lock = "requirements.lock" if use == "dev" else "requirements-node.lock"
    (machine.root / ".venv/bin").mkdir(parents=True)
    (machine.root / ".venv/bin/python").symlink_to(sys.executable)
    summed = (machine.root / lock).read_bytes() + (machine.root / "pyproject.toml").read_bytes()
    sums = subprocess.run(["cksum"], input=summed, capture_output=True, check=True).stdout.decode()
    place = os.path.realpath(machine.root)
    (machine.root / ".venv/.stamp").write_text(f"{use} {sums.strip()} {place}\n")


@pytest.mark.parametrize(("made", "asked"), [("node", "node"), ("dev", "dev"), ("dev", "node")])
def test_nothing_to_do(machine: Machine, made: str, asked: str) -> None:
    _pretend_ready(machine, made)
    run = machine.setup(asked)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("change", ["pyproject.toml", "requirements-node.lock"])
def test_a_change_sets_up_again(machine: Machine, change: str) -> None:
    _pretend_ready(machine, "node")
    with (machine.root / change).open("a") as file:
        file.write("# changed\n")
    assert "no 'python3'" in machine.setup().stderr


def test_running_does_not_serve_developing(machine: Machine) -> None:
    _pretend_ready(machine, "node")
    assert machine.setup("dev").returncode == 1
