"""Check that required environment variables are set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from dreamnet.health.check import Check, Finding, failed, passed


def required_env(
    *names: str, env: Mapping[str, str] | None = None, name: str = "environment"
) -> Check:
    """Check that each variable is there and not blank; names are reported, values never.

    `env` defaults to the process's environment at the time of the check.
    Raises ValueError without names: a check of nothing would always pass.
    """
    if not names:
        message = "required_env needs the name of at least one variable"
        raise ValueError(message)

    def run() -> Finding:
        found = os.environ if env is None else env  # noqa: TID251 - stands alone, without kernel
        missing = [each for each in names if each not in found]
        blank = [each for each in names if each in found and not found[each].strip()]
        problems = [*_list("missing", missing), *_list("blank", blank)]
        count = len(missing) + len(blank)
        return failed("; ".join(problems), count) if problems else passed(value=0)

    return Check(name, run, component_type="system", measurement="missing")


def _list(label: str, names: Iterable[str]) -> list[str]:
    text = ", ".join(names)
    return [f"{label}: {text}"] if text else []
