"""Rules about what runs: root, node, gateway, waiting room, the remains of dead ones, the halt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dreamnet.app.doctor.finding import Finding, fail, ok, warn


@dataclass(frozen=True)
class Parts:
    """What runs of one data directory; pids are None where nothing does."""

    data_dir: str
    own_version: str
    root: int | None
    node: int | None
    served: str
    gateway: int | None
    room: int | None
    recorded: bool
    rebooted: bool
    node_version: str = ""
    silence: str = ""
    unready: tuple[str, ...] = ()
    gateway_silence: str = ""
    complaint: str = ""
    halt: str | None = None


def judge_parts(parts: Parts) -> Iterator[Finding]:
    """Judge what runs and what does not."""
    if parts.halt is not None:
        seen = f"DreamNet is halted, nothing is healed{': ' * bool(parts.halt)}{parts.halt}"
        yield warn("halt", seen, parts.data_dir, "dreamnet resume")
    if parts.node is None:
        yield from _without_node(parts)
        return
    yield _root(parts)
    yield _node(parts)
    yield from _readiness(parts)
    yield from _version(parts)
    yield _served(parts)


def _without_node(parts: Parts) -> Iterator[Finding]:
    where = parts.data_dir
    if parts.root is not None:
        if parts.complaint:
            yield fail("node", f"root waits for mended settings: {parts.complaint}", where, "")
            return
        mend = "look again in a moment; if it stays so: the output of dreamnet up (up.log)"
        yield warn("node", f"root (pid {parts.root}) is starting it", where, mend)
    elif parts.served:
        seen = f"dead, and this runs on unwatched: {parts.served}"
        mend = "dreamnet up --detach takes it over, dreamnet down stops it"
        yield fail("node", seen, where, mend)
    elif parts.rebooted:
        mend = "dreamnet up --detach; to start at boot: dreamnet install"
        yield warn("node", "the machine has started anew and DreamNet has not", where, mend)
    elif parts.recorded:
        yield warn("node", "it died, and nothing runs", where, "dreamnet up --detach")
    else:
        yield ok("node", "nothing runs here", where)


def _root(parts: Parts) -> Finding:
    if parts.root is not None:
        return ok("root", f"pid {parts.root}")
    seen = "none: nobody starts the node again when it dies"
    return warn("root", seen, parts.data_dir, "dreamnet up --detach takes the node over")


def _node(parts: Parts) -> Finding:
    if not parts.silence:
        return ok("node", f"pid {parts.node}, answers")
    mend = f"if it stays so: kill -9 {parts.node}; root starts a new one, services run on"
    return fail("node", f"pid {parts.node} does not answer: {parts.silence}", parts.data_dir, mend)


def _readiness(parts: Parts) -> Iterator[Finding]:
    for one in parts.unready:
        yield warn("ready", one, parts.data_dir, "see dreamnet status and dreamnet logs dreamnet")


def _version(parts: Parts) -> Iterator[Finding]:
    if parts.node_version and parts.node_version != parts.own_version:
        seen = f"the node is {parts.node_version}, this command {parts.own_version}"
        yield warn("version", seen, parts.data_dir, "dreamnet restart dreamnet")


def _served(parts: Parts) -> Finding:
    dead = [
        name
        for name, pid in (("gateway", parts.gateway), ("waiting room", parts.room))
        if pid is None
    ]
    if dead:
        mend = "dreamnet resume" if parts.halt is not None else "see dreamnet logs dreamnet"
        seen = f"not running: {', '.join(dead)}"
        return fail("gateway", seen, parts.data_dir, mend)
    if parts.gateway_silence:
        mend = f"if it stays so: kill -9 {parts.gateway}; the node starts it again within a second"
        seen = f"pid {parts.gateway} does not answer: {parts.gateway_silence}"
        return fail("gateway", seen, parts.data_dir, mend)
    return ok("gateway", f"pid {parts.gateway}, waiting room pid {parts.room}")
