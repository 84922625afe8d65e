"""What every test shares: Hypothesis profiles, and the rule that CI skips nothing."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# Examples cost time on a shared machine, so a slow example is no failure; wrong results are.
_CALM = [HealthCheck.too_slow]
settings.register_profile("fast", max_examples=50, deadline=None, suppress_health_check=_CALM)
settings.register_profile("deep", max_examples=3000, deadline=None, suppress_health_check=_CALM)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

_ALLOWED = "platform:"


def in_ci() -> bool:
    """Say whether a missing tool is a failure, as it is where everything must be present."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail") or not in_ci():
        return
    reason = _reason(report)
    if reason.startswith(_ALLOWED):
        return
    report.outcome = "failed"
    report.longrepr = (
        f"skipped, which CI forbids: {reason}\n"
        f"mend: let .ci/run install what is missing, or, where the operating system cannot have it,"
        f' begin the reason with "{_ALLOWED}"'
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure in CI."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file into a failure in CI."""
    report = yield
    _refuse_skip(report)
    return report
