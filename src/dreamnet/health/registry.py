"""The object a service holds: its checks, and the questions live, ready and started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TypeVar

from dreamnet.health.asgi import ASGIApp, HealthMiddleware, Scope, Source
from dreamnet.health.check import Check, CheckFunction
from dreamnet.health.clock import steady_seconds
from dreamnet.health.heartbeat import Heartbeat
from dreamnet.health.lifecycle import Lifecycle
from dreamnet.health.probe import Probe, probe_paths
from dreamnet.health.report import Identity, Report
from dreamnet.health.runner import CheckRunner
from dreamnet.health.status import Status

Function = TypeVar("Function", bound=CheckFunction)

_log = logging.getLogger("dreamnet.health")


@dataclass(eq=False)
class Health:
    """A service's health.

    `details` says who sees names and outputs of checks: nobody (the default), everybody (True),
    or whoever a function of the ASGI scope admits. With `mute` all others get the status alone, not
    even the loop's lag. `ready_alias` None gives `/ready` back to the
    application. `lag_limit` is in seconds. With `wait_for_started` readiness and startup fail
    until `started()` is called; else the start ends with the first readiness.
    """

    name: str
    _: KW_ONLY
    release: str | None = None
    details: bool | Callable[[Scope], bool] = False
    prefix: str = "/health"
    ready_alias: str | None = "/ready"
    lag_limit: float = 2.0
    mute: bool = False
    wait_for_started: bool = False
    seconds: Callable[[], float] = steady_seconds
    lifecycle: Lifecycle = field(init=False, repr=False)
    _runners: dict[str, CheckRunner] = field(
        default_factory=dict[str, CheckRunner], init=False, repr=False
    )

    def __post_init__(self) -> None:
        probe_paths(self.prefix, self.ready_alias)  # a wrong path fails here, not at the first use
        self.lifecycle = Lifecycle(Heartbeat(self.lag_limit, self.seconds))

    def add(
        self,
        check: Check,
        *,
        critical: bool | None = None,
        timeout: float | None = None,
        max_age: float | None = None,
    ) -> None:
        """Add a check, with some of its settings replaced; times in seconds.

        Raises ValueError if a check of that name exists.
        """
        given = {"critical": critical, "timeout": timeout, "max_age": max_age}
        final = replace(
            check, **{name: value for name, value in given.items() if value is not None}
        )
        if final.name in self._runners:
            message = f"a health check named {final.name!r} exists: give this one its own name"
            raise ValueError(message)
        self._runners[final.name] = CheckRunner(final, self.seconds)

    def check(
        self, name: str, *, critical: bool = True, timeout: float = 2.0, max_age: float = 1.0
    ) -> Callable[[Function], Function]:
        """Register the decorated function, plain or async, as a check; times in seconds."""

        def register(function: Function) -> Function:
            self.add(Check(name, function, critical, timeout, max_age))
            return function

        return register

    async def run_checks(self) -> Report:
        """Run every check that is due, all at once, and aggregate them; never raises."""
        outcomes = await asyncio.gather(*(one.outcome() for one in self._runners.values()))
        return Report.of(outcomes)

    async def report(self, probe: Probe) -> Report:
        """Answer one question; must be called on a running event loop."""
        if probe is Probe.LIVE:
            return self._live()
        if probe is Probe.READY:
            return await self._ready()
        if probe is Probe.STARTUP:
            return await self._startup()
        return self._live().merged(await self._ready())

    def started(self) -> None:
        """Declare the start complete."""
        self.lifecycle.is_started = True

    def draining(self) -> None:
        """Fail readiness from now on; liveness stays, so that nobody restarts us meanwhile."""
        self.lifecycle.stopping()

    def drain_on_sigterm(self, delay: float = 5.0) -> None:
        """Fail readiness on SIGTERM, and let the server's own handler act `delay` seconds later.

        Call it at any time; it takes effect when the server serves. A second SIGTERM acts at once.
        A handler set by `loop.add_signal_handler` cannot be delayed (a warning says so).
        """
        self.lifecycle.drain_on_sigterm(delay)

    def wrap(self, app: ASGIApp) -> HealthMiddleware:
        """Return `app` with the health paths answered before it; also fits `add_middleware`."""
        return HealthMiddleware(self._source(), probe_paths(self.prefix, self.ready_alias), app)

    def asgi(self, prefix: str | None = None) -> HealthMiddleware:
        """Return an application of the health paths only; mounted at `/health`, prefix is ""."""
        root = self.prefix if prefix is None else prefix
        return HealthMiddleware(self._source(), probe_paths(root, self.ready_alias))

    def _source(self) -> Source:
        identity = Identity(self.name, self.release)
        return Source(self.lifecycle, identity, self.report, self._shows_details, self.mute)

    def _live(self) -> Report:
        self.lifecycle.heartbeat.start()
        return Report.of([self.lifecycle.heartbeat.outcome()])

    async def _ready(self) -> Report:
        if self.lifecycle.is_draining:
            return Report(Status.FAIL, notes=("draining",))
        if self.wait_for_started and not self.lifecycle.is_started:
            return Report(Status.FAIL, notes=("not started",))
        report = await self.run_checks()
        if self.lifecycle.is_draining:  # SIGTERM may have come while the checks ran
            return replace(report, status=Status.FAIL, notes=("draining",))
        if report.status is not Status.FAIL:
            self.lifecycle.first_ready()
        return report

    async def _startup(self) -> Report:
        if self.lifecycle.is_started:
            return Report(Status.PASS)
        report = await self._ready()
        if self.lifecycle.is_started:
            return Report(Status.PASS, report.outcomes)
        return replace(report, status=Status.FAIL, notes=report.notes or ("not started",))

    def _shows_details(self, scope: Scope) -> bool:
        if isinstance(self.details, bool):
            return self.details
        try:
            return bool(self.details(scope))
        except Exception as error:  # noqa: BLE001 - a broken guard must keep the door shut
            _log.warning("the details function of health failed: %s", type(error).__name__)
            return False
