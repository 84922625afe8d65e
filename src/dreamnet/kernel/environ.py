"""The one place that reads DreamNet's own process environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

# What a service may inherit: enough to find programs and speak the user's language, no secrets.
_PASSED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
)


def base_environment() -> dict[str, str]:
    """Return the few harmless variables that a service starts from."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def own_environment() -> Mapping[str, str]:
    """Return DreamNet's own environment, for starting its own processes."""
    return dict(os.environ)


def variable(name: str, default: str = "") -> str:
    """Return one variable of DreamNet's own environment."""
    return os.environ.get(name, default)
