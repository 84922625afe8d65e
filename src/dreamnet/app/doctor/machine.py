"""Rules about the machine: Python, the kernel, file handles, memory, and the gateway's program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dreamnet.app.doctor.finding import Finding, fail, ok, warn

LEAST_PYTHON = (3, 11)
LEAST_GLIBC = (2, 31)  # what the wheel of Envoy was built against
LOW_MEMORY = 200_000_000  # Envoy and the node need about 150 MB
NODE_FILES = 128
FILES_PER_INSTANCE = 8
_MIB = 2**20


@dataclass(frozen=True)
class Machine:
    """What was seen of the machine; `missing` names kernel features that are not there."""

    python: tuple[int, int, int]
    system: str
    missing: tuple[str, ...]
    files: int
    memory: int


@dataclass(frozen=True)
class Program:
    """The gateway's program: what it says of itself, or why it cannot be run."""

    path: str
    version: str = ""
    problem: str = ""
    glibc: tuple[int, ...] = ()


def judge_machine(machine: Machine, instances: int) -> Iterator[Finding]:
    """Judge the machine for a node with so many instances."""
    yield _python(machine)
    yield _system(machine)
    yield _files(machine, instances)
    yield _memory(machine)


def _python(machine: Machine) -> Finding:
    seen = ".".join(map(str, machine.python))
    if machine.python[:2] >= LEAST_PYTHON:
        return ok("python", seen)
    return fail("python", seen, "", "run DreamNet with Python 3.11 or newer")


def _system(machine: Machine) -> Finding:
    if machine.system not in ("Linux", "Darwin"):
        return fail("system", machine.system, "", "run DreamNet on Linux")
    if not machine.missing:
        return ok("system", machine.system)
    return warn(
        "system",
        f"{machine.system} without {', '.join(machine.missing)}: deaths are noticed by looking, "
        "and a pid that is used again can be mistaken",
        "",
        "run DreamNet on Linux 5.4 or newer, with /proc mounted",
    )


def _files(machine: Machine, instances: int) -> Finding:
    needed = NODE_FILES + FILES_PER_INSTANCE * instances
    seen = f"{machine.files} open files allowed, about {needed} needed"
    if machine.files >= needed:
        return ok("file-handles", seen)
    mend = f"ulimit -n {max(1024, 2 * needed)} before dreamnet up; dreamnet install sets it"
    return fail("file-handles", seen, f"{instances} instances", mend)


def _memory(machine: Machine) -> Finding:
    seen = f"{machine.memory // _MIB} MiB available"
    if machine.memory >= LOW_MEMORY:
        return ok("memory", seen)
    return warn("memory", seen, "", "stop something, or add memory: node and gateway need 150 MiB")


def judge_program(program: Program) -> Finding:
    """Judge whether the gateway's program can be run."""
    if not program.problem:
        return ok("envoy", program.version, program.path)
    if program.glibc and program.glibc < LEAST_GLIBC:
        version = ".".join(map(str, program.glibc))
        mend = "run DreamNet on a system with glibc 2.31 or newer (Debian 11, Ubuntu 20.04)"
        return fail("envoy", f"glibc {version} is too old: {program.problem}", program.path, mend)
    mend = "install it again: pip install --force-reinstall 'dreamnet[node]'"
    return fail("envoy", program.problem, program.path, mend)
