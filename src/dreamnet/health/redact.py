"""Texts for errors that hold nothing a connection string could hide in."""

from __future__ import annotations

import os
import re
from typing import cast

_SQLITE_CODE = re.compile(r"SQLITE_[A-Z_]{1,40}")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_MAX_CAUSES = 4


def safe_text(error: BaseException) -> str:
    """Name the error's class and, where known, a code or text from a fixed list.

    The error's own message is never used: drivers put hosts, users and passwords into it.
    """
    detail = _known_detail(error)
    name = type(error).__name__
    return f"{name}: {detail}" if detail else name


def _known_detail(error: BaseException) -> str | None:
    current: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if current is None:
            return None
        if detail := _own_detail(current):
            return detail
        current = _cause(current)
    return None


def _own_detail(error: BaseException) -> str | None:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError):
        return _operating_system_text(error)
    return _code(error, "sqlite_errorname", _SQLITE_CODE) or _code(error, "sqlstate", _SQLSTATE)


def _operating_system_text(error: OSError) -> str | None:
    if type(error).__name__ == "gaierror":
        return "name not resolved"
    number = cast("object", error.errno)  # a plain OSError("text") has None here
    return os.strerror(number) if isinstance(number, int) and number > 0 else None


def _code(error: BaseException, attribute: str, shape: re.Pattern[str]) -> str | None:
    value = getattr(error, attribute, None)
    return value if isinstance(value, str) and shape.fullmatch(value) else None


def _cause(error: BaseException) -> BaseException | None:
    for attribute in ("orig", "reason", "__cause__"):  # SQLAlchemy, urllib, `raise ... from`
        value = getattr(error, attribute, None)
        if isinstance(value, BaseException):
            return value
    return None
