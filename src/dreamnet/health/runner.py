"""Runs one check at most once at a time and remembers its answer for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from dreamnet.health.check import Check, Finding, failed
from dreamnet.health.clock import wall_clock
from dreamnet.health.report import Outcome
from dreamnet.health.run import Run, start_run
from dreamnet.health.status import Status

_log = logging.getLogger("dreamnet.health")


class CheckRunner:
    """Holds a check's cached outcome and its run under way, which callers share."""

    def __init__(self, check: Check, seconds: Callable[[], float]) -> None:
        self.check = check
        self._seconds = seconds
        self._run: Run | None = None
        self._outcome: Outcome | None = None
        self._kept_until = 0.0

    async def outcome(self) -> Outcome:
        """Return the cached outcome while fresh, else ask, for at most the check's timeout."""
        if self._outcome is not None and self._seconds() < self._kept_until:
            return self._outcome
        run = self._join_or_start()
        finding = await self._await_finding(run)
        return self._remember(finding)

    def _join_or_start(self) -> Run:
        """Never start a second run beside one that is stuck: threads would pile up."""
        if self._run is None or self._run.is_over:
            self._run = start_run(self.check, self._seconds())
        return self._run

    async def _await_finding(self, run: Run) -> Finding:
        elapsed = self._seconds() - run.started
        remaining = self.check.timeout - elapsed
        if remaining <= 0:
            return failed(f"still stuck in a run that began {elapsed:.1f} s ago")
        waiting = asyncio.wrap_future(run.future)
        try:
            await asyncio.wait({waiting}, timeout=remaining)
            if waiting.done():
                return waiting.result()
        finally:
            waiting.cancel()  # else a late answer would call a loop that may be closed
        run.abandon()
        return failed(f"no answer within {self.check.timeout:g} s")

    def _remember(self, finding: Finding) -> Outcome:
        self._log_change(finding)
        self._outcome = Outcome(self.check, finding, wall_clock())
        self._kept_until = self._seconds() + self.check.max_age
        return self._outcome

    def _log_change(self, finding: Finding) -> None:
        before = self._outcome.finding.status if self._outcome is not None else Status.PASS
        if finding.status is before:
            return
        level = logging.INFO if finding.status is Status.PASS else logging.WARNING
        _log.log(level, "health check %s: %s %s", self.check.name, finding.status, finding.output)
