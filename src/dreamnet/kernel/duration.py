"""Durations as people write them: `500ms`, `1s`, `2m`, `4h`, `30d`."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_MICROSECONDS = {
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_MICROSECOND = timedelta(microseconds=1)


def parse_duration(text: object) -> timedelta:
    """Return the duration that `text` says; ValueError with the accepted form otherwise."""
    if isinstance(text, timedelta):
        return text
    match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError('a duration is a number with a unit: "500ms", "1s", "2m", "4h", "30d"')
    try:
        return timedelta(microseconds=round(Decimal(match[1]) * _MICROSECONDS[match[2]]))
    except (OverflowError, ArithmeticError):
        raise ValueError("a duration is at most 999999999d") from None


def format_duration(value: timedelta) -> str:
    """Return the shortest exact form, such as `1.5s` or `2m`; `parse_duration` reads it back."""
    whole = value // _MICROSECOND
    if whole == 0:
        return "0s"
    smallest = "s" if whole >= _MICROSECONDS["s"] else "ms"
    for unit, size in _MICROSECONDS.items():
        if whole % size == 0:
            return f"{whole // size}{unit}"
        if unit == smallest:
            break
    size = _MICROSECONDS[smallest]
    return f"{whole // size}.{whole % size:0{len(str(size)) - 1}d}".rstrip("0") + smallest


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
