"""Writes a `dreamnet.toml` that explains itself: what was guessed, and every other setting."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dreamnet.cli.detect import Guess
from dreamnet.model.complaints import field_names, toml_value
from dreamnet.model.policy import DEFAULT_CAPACITY, OfficePolicy
from dreamnet.model.services import RESERVED_NAMES, LogLimits
from dreamnet.model.settings import SECTIONS
from dreamnet.model.written import EnvAsWritten, HealthAsWritten, ServiceAsWritten

_WIDTH = 92
_LONGEST_NAME = 40
_SUB_TABLES: dict[str, type[BaseModel]] = {
    "health": HealthAsWritten,
    "env": EnvAsWritten,
    "logs": LogLimits,
}


def service_name(folder: Path) -> str:
    """Return a service name made of the folder's name; `app` where that gives none."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).lstrip("-0123456789")
    name = name[:_LONGEST_NAME].strip("-")
    return name if name and name not in RESERVED_NAMES else "app"


def render(name: str, guess: Guess, *, dotenv: bool) -> str:
    """Return the whole file; `dotenv` says whether the folder has a `.env` file to read."""
    known: dict[str, object] = {
        "run": guess.run,
        "route": f"{name}.localhost",
        "live": guess.live,
        "ready": guess.ready,
        "from": ["dotenv:.env"] if dotenv else [],
    }
    lines = [
        f"# Configuration of DreamNet, written for {guess.kind}. Check it, then: dreamnet up",
        "# Lines that start with # show what else can be set, with its default or an example.",
        "# Durations carry their unit: 500ms, 1s, 2m, 4h, 30d. Paths start from this folder.",
        *_service(name, known),
    ]
    for section, model in SECTIONS.items():
        lines += _offices() if section == "reef" else _table(f"[{section}]", model, {})
    return "\n".join(lines) + "\n"


def _service(name: str, known: Mapping[str, object]) -> Iterator[str]:
    table = f"services.{name}"
    yield from _table(f"[{table}]", ServiceAsWritten, known)
    for key, model in _SUB_TABLES.items():
        yield from _table(f"[{table}.{key}]", model, known)


def _table(header: str, model: type[BaseModel], known: Mapping[str, object]) -> Iterator[str]:
    yield ""
    yield header
    for key, field in field_names(model).items():
        if key in _SUB_TABLES:
            continue
        yield from _comment(field.description or "")
        value = known.get(key)
        mark = "" if value else "# "
        yield f"{mark}{key} = {toml_value(value or _shown(field))}"


def _offices() -> Iterator[str]:
    yield ""
    yield "# What agents may do: one table for each office."
    for key, field in field_names(OfficePolicy).items():
        yield from _comment(f"{key}: {field.description}")
    for office, capacity in DEFAULT_CAPACITY.items():
        yield f"# [reef.offices.{office}]"
        yield f"# capacity = {capacity}"
        yield '# mode = "auto"'


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in textwrap.wrap(text, _WIDTH))


def _shown(field: FieldInfo) -> object:
    """Return the default, or an example where the default is empty or a table."""
    default: object = None if field.is_required() else field.get_default()
    unclear = default in (None, [], {}) or isinstance(default, BaseModel)
    return field.examples[0] if unclear and field.examples else default
