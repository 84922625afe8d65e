"""Health endpoints for any ASGI service, with the standard library only."""

from __future__ import annotations

from dreamnet.health.asgi import HealthMiddleware
from dreamnet.health.check import Check, Finding, failed, passed, warned
from dreamnet.health.checks.disk import disk_space
from dreamnet.health.checks.environment import required_env
from dreamnet.health.checks.http import http_dependency
from dreamnet.health.checks.migrations import migrations_at_head
from dreamnet.health.checks.sql import sql_database
from dreamnet.health.registry import Health
from dreamnet.health.report import Outcome, Report
from dreamnet.health.status import Status, aggregate

__all__ = [
    "Check",
    "Finding",
    "Health",
    "HealthMiddleware",
    "Outcome",
    "Report",
    "Status",
    "aggregate",
    "disk_space",
    "failed",
    "http_dependency",
    "migrations_at_head",
    "passed",
    "required_env",
    "sql_database",
    "warned",
]
