"""The tables of `config.md`, from the models that read `dreamnet.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dreamnet.kernel.duration import format_duration
from dreamnet.model.address import Address
from dreamnet.model.complaints import field_names, model_in, toml_value
from dreamnet.model.policy import OfficePolicy
from dreamnet.model.services import LogLimits, Replicas, Route
from dreamnet.model.settings import SECTIONS
from dreamnet.model.watch_written import WATCH, WatchAsWritten
from dreamnet.model.written import (
    EnvAsWritten,
    HealthAsWritten,
    ProbeAsWritten,
    ServiceAsWritten,
)
from tools.reference.sections import cell, table, with_table

TABLES: dict[str, type[BaseModel]] = {
    **{f"`[{name}]`": model for name, model in SECTIONS.items() if name != "reef"},
    "`[reef.offices.NAME]`": OfficePolicy,
    "`[services.NAME]`": ServiceAsWritten,
    "`route`": Route,
    "`replicas`": Replicas,
    "`health`": HealthAsWritten,
    "`health.live`, `health.ready`": ProbeAsWritten,
    "`env`": EnvAsWritten,
    "`logs`": LogLimits,
    f"`{WATCH}`": WatchAsWritten,
}
"""Heading in the page: the model whose keys stand below it."""

_HEAD = ("key", "type and unit", "default", "what it is for")
# What the models cannot say of themselves: keys with a short form, defaults that depend.
_TYPES = {
    "[services.NAME].route": "text or table",
    "[services.NAME].replicas": "whole number or table",
    "health.live": "text or table",
    "health.ready": "text or table",
}
_DEFAULTS = {
    "[reef.offices.NAME].capacity": "by office, see above",
    "[services.NAME].health": "TCP",
    "health.failures": "`2` for live, `1` for ready",
    "health.live, health.ready.interval": "that of `health`",
    "health.live, health.ready.timeout": "that of `health`",
    "health.live, health.ready.failures": "that of `health`",
}


def renewed(text: str) -> str:
    """Return the page with its tables as the models have them; ValueError without a heading."""
    for heading, model in TABLES.items():
        written = table(_HEAD, list(_rows(heading, model)))
        after = with_table(text, re.compile(re.escape(heading)), written)
        if after is None:
            raise ValueError(f"docs/reference/config.md: write a heading {heading}, with its prose")
        text = after
    return text


def _rows(heading: str, model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    place = heading.replace("`", "")
    for key, field in field_names(model).items():
        name = f"{place}.{key}"
        kind = _TYPES.get(name) or _kind(field)
        yield (
            f"`{key}`",
            kind,
            _DEFAULTS.get(name) or _default(field),
            cell(field.description or ""),
        )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, BaseModel) and not isinstance(value, Address):
        value = value.model_dump(exclude_defaults=field.annotation is EnvAsWritten)
    if value in ([], {}, (), frozenset()):
        return "empty"
    return f"`{toml_value(value)}`"


def _kind(field: FieldInfo) -> str:
    words = _words(field.annotation)
    if words in {"duration", "whole number", "number"}:
        return words + _limits(field)
    return words


def _words(annotation: Any) -> str:
    for one in _members(annotation):
        if one is bool:
            return "`true` or `false`"
        if get_origin(one) is Literal:
            return " \\| ".join(f"`{toml_value(value)}`" for value in get_args(one))
        if get_origin(one) in {list, tuple, set, frozenset}:
            return f"list of {_words(get_args(one)[0])}"
        if get_origin(one) is dict or (model_in(one) and not _is(one, Address)):
            return "table"
        for kind, words in (
            (Address, "host:port"), (timedelta, "duration"), (int, "whole number"),
            (float, "number"),
        ):  # fmt: skip
            if _is(one, kind):
                return words
        if _is(one, StrEnum):
            return " \\| ".join(f'`"{value}"`' for value in one)
    return "text"


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) in {Union, UnionType}:
        return [one for one in get_args(annotation) if one is not type(None)]
    if hasattr(annotation, "__metadata__"):  # Annotated
        return _members(get_args(annotation)[0])
    return [annotation]


def _is(annotation: Any, kind: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, kind)


def _limits(field: FieldInfo) -> str:
    least = next((_value(one.ge) for one in field.metadata if isinstance(one, Ge)), None)
    above = next((_value(one.gt) for one in field.metadata if isinstance(one, Gt)), None)
    most = next((_value(one.le) for one in field.metadata if isinstance(one, Le)), None)
    if least is not None and most is not None:
        return f", {least} to {most}"
    if least is not None:
        return f", at least {least}"
    if above is not None:
        return f", more than {above}"
    return f", at most {most}" if most is not None else ""


def _value(limit: Any) -> str:
    return format_duration(limit) if isinstance(limit, timedelta) else str(limit)
