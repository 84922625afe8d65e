"""Every process that belongs to one instance: found, signalled and killed, never a stranger."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import psutil

from dreamnet.drivers.platforms.census import Look
from dreamnet.drivers.platforms.wrapper import Recorded
from dreamnet.kernel.processes import Identity, identify, read_stat, signal_process
from dreamnet.model.instances import InstanceId, Usage


@dataclass(frozen=True)
class Session:
    """The processes of instance `id`: its own session, and whatever left it but bears its mark.

    While `is_fresh`, this node has seen the application alive: the session's number cannot mean
    another session yet. Otherwise only bearers of the mark count.
    """

    id: InstanceId
    recorded: Recorded
    is_fresh: bool

    def members(self, look: Look) -> tuple[Identity, ...]:
        """Return the living processes of the session, the wrapper apart."""
        found = look.sessions.get(self.recorded.session, ()) if self._is_ours() else ()
        return tuple(process for process in found if process != self.recorded.wrapper)

    def everything(self, look: Look) -> tuple[Identity, ...]:
        """Return the members and every other living process that bears the mark."""
        marked = look.marks.get(self.id, ())
        others = (process for process in marked if process != self.recorded.wrapper)
        return tuple(dict.fromkeys((*self.members(look), *others)))

    def _is_ours(self) -> bool:
        """A session number is reused only once nobody is left; then its leader is a stranger."""
        leader = read_stat(self.recorded.session) if self.recorded.session else None
        known = (self.recorded.wrapper, self.recorded.application)
        if leader is not None and identify(leader) not in known:
            return False
        return self.recorded.session > 0 and (
            self.is_fresh or any(p and p.is_alive() for p in known)
        )

    def terminate(self, look: Look) -> None:
        """SIGTERM to every process, then SIGCONT so that a stopped one can act on it."""
        others = [process for process in self.everything(look) if not self._is_in_group(process)]
        if self._is_in_group(self.recorded.application):
            _signal_group(self.recorded.group, signal.SIGTERM)
            _signal_group(self.recorded.group, signal.SIGCONT)
        for process in others:
            send(process, signal.SIGTERM)
            send(process, signal.SIGCONT)

    def _is_in_group(self, process: Identity) -> bool:
        """True also says that the group still is ours: this known process is in it."""
        stat = read_stat(process.pid)
        return (
            self.recorded.group > 0
            and stat is not None
            and identify(stat) == process
            and stat.group == self.recorded.group
        )

    def kill(self, look: Look) -> None:
        """SIGKILL to every process; the wrapper is spared, for it keeps the exit status."""
        for process in self.everything(look):
            send(process, signal.SIGKILL)

    def usage(self, look: Look) -> Usage | None:
        """Return what the members use together; None when there are none."""
        shares = [
            share for member in self.members(look) if (share := _usage(member.pid)) is not None
        ]
        if not shares:
            return None
        files = [share.open_files for share in shares if share.open_files is not None]
        return Usage(
            rss_bytes=sum(share.rss_bytes for share in shares),
            cpu_seconds=sum(share.cpu_seconds for share in shares),
            open_files=sum(files) if files else None,
        )


def send(process: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process; false when it is gone, or the system refuses."""
    try:
        return signal_process(process, number)
    except OSError:
        return False


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except OSError:
        return  # it ended meanwhile


def _usage(pid: int) -> Usage | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return Usage(
                rss_bytes=process.memory_info().rss,
                cpu_seconds=sum(times[:4]),  # own and reaped children's, user and system
                open_files=process.num_fds(),
            )
    except psutil.Error:
        return None
