"""One execution of a check, in a thread or on the event loop, whose end may never come."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from dreamnet.health.check import Check, Finding, as_finding, failed
from dreamnet.health.clock import steady_seconds
from dreamnet.health.redact import safe_text


@dataclass(frozen=True, slots=True)
class Run:
    """A started execution; `future` gets its Finding, never an exception."""

    started: float
    future: Future[Finding]
    alive: Callable[[], bool]
    abandon: Callable[[], object]

    @property
    def is_over(self) -> bool:
        """Whether another run may start: this one answered, or its thread or loop is gone."""
        return self.future.done() or not self.alive()


def start_run(check: Check, now: float) -> Run:
    """Start the check; must be called on a running event loop."""
    future: Future[Finding] = Future()
    future.set_running_or_notify_cancel()  # from here no waiter can cancel it
    if is_async(check.run):
        return _start_task(check, future, now)
    return _start_thread(check, future, now)


def is_async(function: object) -> bool:
    """Tell whether calling `function` gives a coroutine."""
    call = getattr(function, "__call__", None)  # noqa: B004 - the method itself is inspected
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _start_thread(check: Check, future: Future[Finding], now: float) -> Run:
    """Use a daemon thread of its own: a stuck check must block neither a pool nor the exit."""
    thread = threading.Thread(
        target=_answer_in_thread, args=(check, future), name=f"health-{check.name}", daemon=True
    )
    thread.start()
    return Run(now, future, thread.is_alive, lambda: None)


def _start_task(check: Check, future: Future[Finding], now: float) -> Run:
    loop = asyncio.get_running_loop()
    task = loop.create_task(_answer_on_loop(check, future), name=f"health-{check.name}")
    return Run(now, future, lambda: not (task.done() or loop.is_closed()), task.cancel)


def _answer_in_thread(check: Check, future: Future[Finding]) -> None:
    began = steady_seconds()
    try:
        finding = as_finding(_refuse_coroutine(check.run()))
    except BaseException as error:  # noqa: BLE001 - whatever a user's check raises is a failure
        finding = failed(safe_text(error))
    future.set_result(_timed(check, finding, began))


async def _answer_on_loop(check: Check, future: Future[Finding]) -> None:
    began = steady_seconds()
    finding = failed("cancelled")
    try:
        answer = check.run()
        finding = as_finding(await answer if inspect.isawaitable(answer) else answer)
    except Exception as error:  # noqa: BLE001 - whatever a user's check raises is a failure
        finding = failed(safe_text(error))
    finally:
        future.set_result(_timed(check, finding, began))


def _refuse_coroutine(answer: object) -> object:
    """Close a coroutine that a plain function returned: there is no loop in this thread."""
    if not inspect.iscoroutine(answer):
        return answer
    answer.close()
    return failed("the check returned a coroutine; register the `async def` function itself")


def _timed(check: Check, finding: Finding, began: float) -> Finding:
    """Fill in the response time where that is what the check measures."""
    if check.measurement != "responseTime" or finding.observed_value is not None:
        return finding
    elapsed = round((steady_seconds() - began) * 1000, 1)
    return replace(finding, observed_value=elapsed, observed_unit="ms")
