"""Check that the database has the schema the code expects."""

from __future__ import annotations

from collections.abc import Callable

from dreamnet.health.check import Check, Finding, failed, passed


def migrations_at_head(
    current: Callable[[], object], head: Callable[[], object], *, name: str = "migrations"
) -> Check:
    """Compare the database's version with the code's; both functions run in a thread.

    Versions are compared as they are: return sets where a schema has several heads.
    """

    def run() -> Finding:
        at, expected = current(), head()
        if at == expected:
            return passed(value=str(at))
        return failed(f"the database is at {at}, the code expects {expected}", str(at))

    return Check(name, run, component_type="datastore", measurement="version")
