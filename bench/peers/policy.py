"""How other supervisors decide when to start a program again: pure, with their own defaults.

These are reimplementations of documented rules, not the programs themselves: what is compared is
the rule, on the same machine, under the same load.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """After an exit: wait `delay_s`, then start again, if at all.

    With `burst`, a program that would be started more often than that within `interval_s` is left
    dead. None of these policies asks a program whether it is well: they see exits only.
    """

    name: str
    restarts: bool = True
    delay_s: float = 0.0
    burst: int | None = None
    interval_s: float = 0.0

    def pause(self, starts: tuple[float, ...], now: float) -> float | None:
        """Seconds until the next start, given the instants of earlier ones; None: never again."""
        if not self.restarts:
            return None
        due = now + self.delay_s
        recent = [start for start in starts if due - start < self.interval_s]
        if self.burst is not None and len(recent) >= self.burst:
            return None
        return self.delay_s


NOTHING = Policy("nothing", restarts=False)
RESTART_ALWAYS = Policy("restart-always")
# systemd with Restart=always and its other defaults: RestartSec=100ms, StartLimitBurst=5,
# StartLimitIntervalSec=10s; then the unit stays failed.
SYSTEMD = Policy("systemd-like", delay_s=0.1, burst=5, interval_s=10.0)

POLICIES = {policy.name: policy for policy in (NOTHING, RESTART_ALWAYS, SYSTEMD)}
