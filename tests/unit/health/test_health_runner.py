"""Checks run at once, in time, at most once each, and say nothing secret."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import sys
import threading
import time
from typing import Any

import pytest
from health_asgi_calls import eventually, released

from dreamnet.health import Check, Finding, Health, Outcome, Status, failed, passed, warned
from dreamnet.health.redact import safe_text

SECRET = "postgresql://user:p4ssw0rd@db.internal/shop"


def health_with(run: Any, **settings: Any) -> Health:
    health = Health("shop")
    health.add(Check("it", run, **settings))
    return health


async def only_outcome(health: Health) -> Outcome:
    return (await health.run_checks()).outcomes[0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (None, Status.PASS),
        (True, Status.PASS),
        (False, Status.FAIL),
        (passed("fine"), Status.PASS),
        (warned("slow"), Status.WARN),
        (failed("down"), Status.FAIL),
        ("yes", Status.FAIL),
        (1, Status.FAIL),
    ],
)
async def test_answers_are_read(answer: Any, status: Status) -> None:
    async def on_loop() -> Any:
        return answer

    assert (await only_outcome(health_with(lambda: answer))).finding.status is status
    assert (await only_outcome(health_with(on_loop))).finding.status is status


async def test_response_time_is_measured() -> None:
    finding = (await only_outcome(health_with(lambda: time.sleep(0.02)))).finding
    assert isinstance(finding.observed_value, float)
    assert finding.observed_value >= 20
    assert finding.observed_unit == "ms"


async def test_plain_functions_run_outside_the_loop_and_async_ones_on_it() -> None:
    async def on_loop() -> Finding:
        return passed(threading.current_thread().name)

    def in_thread() -> Finding:
        return passed(threading.current_thread().name)

    here = threading.current_thread().name
    assert (await only_outcome(health_with(on_loop))).finding.output == here
    assert (await only_outcome(health_with(functools.partial(on_loop)))).finding.output == here
    assert (await only_outcome(health_with(in_thread))).finding.output == "health-it"


async def test_checks_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=5)
    health = Health("shop")
    for name in ("a", "b"):
        health.add(Check(name, lambda: both.wait() >= 0))
    assert (await health.run_checks()).status is Status.PASS


async def test_a_plain_function_that_returns_a_coroutine_is_told_how_to_mend_it() -> None:
    async def ask() -> None: ...

    hidden = lambda: ask()  # noqa: E731, PLW0108 - hides that the function is async
    finding = (await only_outcome(health_with(hidden))).finding
    assert finding.status is Status.FAIL
    assert "async def" in finding.output


async def test_the_answer_is_reused_while_it_is_young() -> None:
    now, runs = [0.0], []
    health = Health("shop", seconds=lambda: now[0])
    health.add(Check("it", lambda: runs.append(1), max_age=5))
    await health.run_checks()
    now[0] = 4.9
    await health.run_checks()
    assert len(runs) == 1
    now[0] = 5.1
    await health.run_checks()
    assert len(runs) == 2


async def test_callers_at_the_same_time_share_one_run() -> None:
    runs: list[int] = []
    go = threading.Event()

    def run() -> None:
        runs.append(1)
        go.wait(5)

    health = health_with(run, max_age=0, timeout=5)
    callers = asyncio.gather(*(health.run_checks() for _ in range(20)))
    await eventually(lambda: runs == [1])
    go.set()
    assert {report.status for report in await callers} == {Status.PASS}
    assert runs == [1]


async def test_a_stuck_thread_is_reported_and_never_joined_by_another() -> None:
    runs: list[int] = []
    go = threading.Event()

    def run() -> None:
        runs.append(1)
        go.wait(10)

    health = health_with(run, max_age=0, timeout=0.05)
    with released(go):
        assert "no answer within 0.05 s" in (await only_outcome(health)).finding.output
        for _ in range(20):
            outcome = await only_outcome(health)
            assert outcome.finding.status is Status.FAIL
            assert "still stuck" in outcome.finding.output
        assert runs == [1]
    await eventually(lambda: not any(t.name == "health-it" for t in threading.enumerate()))
    assert (await only_outcome(health)).finding.status is Status.PASS
    assert runs == [1, 1]


async def test_an_async_check_is_cancelled_in_time() -> None:
    ended: list[str] = []

    async def run() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    health = health_with(run, max_age=0, timeout=0.05)
    assert "no answer within" in (await only_outcome(health)).finding.output
    await eventually(lambda: ended == ["cancelled"])


async def test_an_async_check_that_refuses_to_end_blocks_nobody() -> None:
    go = asyncio.Event()
    runs: list[int] = []

    async def run() -> None:
        runs.append(1)
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    health = health_with(run, max_age=0, timeout=0.05)
    with released(go):
        await only_outcome(health)
        assert "still stuck" in (await only_outcome(health)).finding.output
        assert runs == [1]


def test_a_run_whose_loop_is_gone_does_not_block_the_next_loop() -> None:
    async def run() -> None:
        await asyncio.sleep(60)

    health = health_with(run, max_age=0, timeout=30)

    async def leave_it_running() -> None:
        waiting = asyncio.get_running_loop().create_task(health.run_checks())
        await asyncio.sleep(0.02)
        waiting.cancel()

    asyncio.run(leave_it_running())
    health._runners["it"].check = Check("it", run, timeout=0.05)
    assert "no answer within" in asyncio.run(only_outcome(health)).finding.output


def test_a_thread_that_ends_after_its_loop_disturbs_nobody(caplog: Any) -> None:
    go = threading.Event()
    health = health_with(lambda: go.wait(10), max_age=0, timeout=0.05)
    asyncio.run(health.run_checks())
    go.set()
    asyncio.run(eventually(lambda: health._runners["it"]._run.is_over))
    assert not [each for each in caplog.records if each.name == "concurrent.futures"]


async def test_exceptions_are_named_and_their_text_is_not() -> None:
    def run() -> None:
        raise ValueError(SECRET)

    async def on_loop() -> None:
        raise ValueError(SECRET)

    for function in (run, on_loop):
        finding = (await only_outcome(health_with(function))).finding
        assert (finding.status, finding.output) == (Status.FAIL, "ValueError")


async def test_even_sys_exit_is_a_failure_only() -> None:
    finding = (await only_outcome(health_with(lambda: sys.exit(1)))).finding
    assert finding.output == "SystemExit"


async def test_changes_are_logged_once_without_secrets(caplog: Any) -> None:
    def run() -> None:
        raise ValueError(SECRET)

    health = health_with(run, max_age=0)
    for _ in range(3):
        await health.run_checks()
    assert [each.getMessage() for each in caplog.records] == ["health check it: fail ValueError"]


def sqlite_error() -> Exception:
    try:
        sqlite3.connect(":memory:").execute("SELECT nothing FROM nowhere")
    except sqlite3.Error as error:
        return error
    raise AssertionError


class WithState(Exception):
    sqlstate = "28P01"


def wrapped(inner: Exception) -> Exception:
    outer = RuntimeError(SECRET)
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError(SECRET), "RuntimeError"),
        (ConnectionRefusedError(111, SECRET), "ConnectionRefusedError: Connection refused"),
        (OSError(SECRET), "OSError"),
        (TimeoutError(SECRET), "TimeoutError: timed out"),
        (FileNotFoundError(2, "x", SECRET), "FileNotFoundError: No such file or directory"),
        (WithState(SECRET), "WithState: 28P01"),
        (wrapped(WithState()), "RuntimeError: 28P01"),
        (wrapped(wrapped(RuntimeError(SECRET))), "RuntimeError"),
    ],
)
def test_safe_text(error: Exception, text: str) -> None:
    assert safe_text(error) == text


def test_safe_text_of_sqlite_is_its_code() -> None:
    assert safe_text(sqlite_error()) == "OperationalError: SQLITE_ERROR"


def test_safe_text_survives_a_circle_of_causes() -> None:
    one, two = RuntimeError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert safe_text(one) == "RuntimeError"


@pytest.mark.parametrize("wrong", [{"name": " "}, {"name": "a:b"}, {"timeout": 0}, {"max_age": -1}])
def test_impossible_checks_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Check(**({"name": "it", "run": lambda: None} | wrong))


def test_two_checks_of_one_name_are_refused() -> None:
    health = health_with(lambda: None)
    with pytest.raises(ValueError, match="'it' exists"):
        health.add(Check("it", lambda: None))


async def test_the_decorator_registers_and_returns_the_function() -> None:
    health = Health("shop")

    @health.check("stock", critical=False, timeout=1.5, max_age=7)
    def stock() -> bool:
        return False

    assert stock() is False
    report = await health.run_checks()
    check = report.outcomes[0].check
    assert (check.name, check.critical, check.timeout, check.max_age) == ("stock", False, 1.5, 7)
    assert report.status is Status.WARN


async def test_add_replaces_settings() -> None:
    health = Health("shop")
    health.add(Check("it", lambda: False), critical=False, timeout=9, max_age=0)
    check = (await only_outcome(health)).check
    assert (check.critical, check.timeout, check.max_age) == (False, 9, 0)
