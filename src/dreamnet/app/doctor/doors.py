"""Rules about the two ports: free, held by our own node, or taken by somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dreamnet.app.doctor.finding import Finding, fail, ok


@dataclass(frozen=True)
class Door:
    """One address we listen on; `holder` names who has it, `problem` why nobody can."""

    name: str
    address: str
    free: bool
    ours: bool = False
    holder: str = ""
    problem: str = ""


def judge_doors(doors: tuple[Door, ...]) -> Iterator[Finding]:
    """Judge each port."""
    for door in doors:
        yield _judge(door)


def _judge(door: Door) -> Finding:
    name = f"{door.name}-port"
    table = "node" if door.name == "api" else "gateway"
    if door.problem:
        mend = f"set [{table}] listen to an address of this machine and a port you may use"
        return fail(name, f"cannot be used: {door.problem}", door.address, mend)
    if door.free:
        return ok(name, "free", door.address)
    if door.ours:
        return ok(name, "held by this node", door.address)
    mend = f"stop that program, or set another [{table}] listen"
    return fail(name, f"taken by {door.holder or 'another program'}", door.address, mend)
