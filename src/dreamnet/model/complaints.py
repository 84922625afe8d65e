"""Turns what validation found into words for the person at the keyboard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from dreamnet.kernel.duration import format_duration
from dreamnet.kernel.errors import Complaint
from dreamnet.kernel.toml import Document, Keys

_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
_SECRET = frozenset({"env", "store", "run", "command", "url", "heartbeat"})
_LONGEST_SHOWN = 60
# Values that an earlier DreamNet accepted.
_RENAMED = {"approve": "suggest"}
_KEY_MARK = "[key]"


Found = Mapping[str, Any]  # one error as pydantic tells it: type, loc, input, ctx


@dataclass(frozen=True)
class Place:
    """A table of the document and the model it has to follow."""

    document: Document
    keys: Keys
    model: type[BaseModel]

    def where(self, keys: Sequence[str | int] = ()) -> str:
        """Return `file:line` of a key path below this table."""
        return self.document.where((*self.keys, *keys))

    def as_written(self, keys: Keys) -> Keys:
        """Return the part of a key path that stands in the file; short forms hide the rest."""
        while keys and (*self.keys, *keys) not in self.document.lines:
            keys = keys[:-1]
        return keys

    def value_of(self, keys: Keys) -> object:
        """Return what the file says at a key path that stands in it."""
        value: Any = self.document.data
        for key in (*self.keys, *keys):
            value = value[key]
        return value


def complaints_about(error: ValidationError, place: Place) -> list[Complaint]:
    """Return one complaint for each thing that is wrong, in the order of the file's keys."""
    found: list[Found] = [dict(one) for one in error.errors(include_url=False)]
    unknown = {one["loc"][:-1] for one in found if one["loc"][-1:] == (_KEY_MARK,)}
    return [
        _complaint(one, place)
        for one in found
        if one["loc"][-1:] == (_KEY_MARK,) or not _below(one["loc"], unknown)
    ]


def _below(keys: Keys, unknown: Iterable[Keys]) -> bool:
    return any(keys[: len(known)] == known for known in unknown)


def _complaint(one: Found, place: Place) -> Complaint:
    keys = tuple(key for key in one["loc"] if key != _KEY_MARK)
    match one["type"]:
        case "extra_forbidden":
            return unknown_key(place, keys, accepted_keys(model_at(place.model, keys[:-1])))
        case "enum" if one["loc"][-1:] == (_KEY_MARK,):
            return unknown_key(place, keys, _choices(find_field(place.model, keys[:-1]), key=True))
        case "missing":
            return _missing(place, keys)
        case _:
            return _wrong_value(one, place, keys)


def unknown_key(place: Place, keys: Keys, accepted: Sequence[str]) -> Complaint:
    """Complain about a key nobody reads, with the nearest accepted one."""
    key = str(keys[-1])
    table = dotted((*place.keys, *keys[:-1]))
    spot = f"in [{table}]" if table else "at the top of the file"
    near = get_close_matches(key, accepted, n=1, cutoff=0.6)
    guess = f'did you mean "{near[0]}"? ' if near else ""
    return Complaint(
        f'unknown key "{key}" {spot}',
        place.where(keys),
        f"{guess}accepted here: {', '.join(accepted)}",
    )


def _missing(place: Place, keys: Keys) -> Complaint:
    table = dotted((*place.keys, *keys[:-1]))
    field = find_field(place.model, keys)
    extra = field.json_schema_extra if field else None
    instead = f", or {extra['or']}" if isinstance(extra, dict) else ""
    return Complaint(
        f'"{keys[-1]}" is missing in [{table}]',
        place.where(keys),
        f"add: {_example(place, keys)}{instead}",
    )


def _wrong_value(one: Found, place: Place, keys: Keys) -> Complaint:
    shown = place.as_written(keys)
    secret = bool(_SECRET & set(map(str, (*place.keys, *keys))))
    raw = place.value_of(shown)
    got = in_words(raw, secret=secret)
    name = dotted((*place.keys, *shown))
    what = f"{name}: {_problem(one, find_field(place.model, keys))}, not {got}"
    if one["type"] == "value_error":
        what = f"{name}: {one['ctx']['error']}"
        what += f"; got {got}" if isinstance(raw, str | int | float) and not secret else ""
    return Complaint(what, place.where(shown), _mend(one, place, shown))


def _problem(one: Found, field: FieldInfo | None) -> str:
    kind = one["type"]
    if kind in _EXPECTED:
        return f"expected {_short_form(field) if kind == 'model_type' else ''}{_EXPECTED[kind]}"
    if kind == "enum":
        return "expected one of " + ", ".join(f'"{choice}"' for choice in _choices(field))
    if kind in {"greater_than_equal", "less_than_equal"}:
        return "expected " + _bounds(field)
    if kind == "string_too_short":
        return "expected at least one character"
    return "this value is not accepted here"


def _short_form(field: FieldInfo | None) -> str:
    """Return what may stand in the place of a table, when its example is no table."""
    example: object = _example_of(field) if field else None
    if isinstance(example, str):
        return "text in quotes or "
    return "a whole number or " if isinstance(example, int) else ""


def _bounds(field: FieldInfo | None) -> str:
    marks = field.metadata if field else []
    low = [_bound(mark.ge) for mark in marks if hasattr(mark, "ge")]
    high = [_bound(mark.le) for mark in marks if hasattr(mark, "le")]
    if low and high:
        return f"{low[0]} to {high[0]}"
    return f"at least {low[0]}" if low else f"at most {high[0]}" if high else "another number"


def _bound(value: object) -> str:
    return f'"{format_duration(value)}"' if isinstance(value, timedelta) else str(value)


def _mend(one: Found, place: Place, keys: Keys) -> str:
    field = find_field(place.model, keys)
    raw = place.value_of(keys)
    if one["type"] == "enum" and isinstance(raw, str):
        renamed = _RENAMED.get(raw)
        if renamed in _choices(field):
            return f'"{raw}" is called "{renamed}" now'
        near = get_close_matches(raw.lower(), _choices(field), n=1, cutoff=0.5)
        if near:
            return f'did you mean "{near[0]}"?'
    if field is not None and _is_duration(field) and type(raw) is int and raw > 0:
        return f'durations carry a unit: {keys[-1]} = "{raw}s"'
    return f"such as: {_example(place, keys)}"


def _example(place: Place, keys: Keys) -> str:
    field = find_field(place.model, keys)
    name = _own_name(place.model, keys)
    if field is None or not name:
        return f"[{dotted(place.keys)}]"
    return f"{name} = {toml_value(_example_of(field))}"


def _own_name(model: type[BaseModel], keys: Keys) -> str:
    """Return the last key that names a field; below it are elements of lists and tables."""
    for size in range(len(keys), 0, -1):
        key = keys[size - 1]
        parent = model_at(model, keys[: size - 1])
        if parent is not None and str(key) in field_names(parent):
            return str(key)
    return ""


def _example_of(field: FieldInfo) -> object:
    if field.examples:
        return cast("object", field.examples[0])
    return "..." if field.is_required() else field.get_default()


def _is_duration(field: FieldInfo) -> bool:
    return field.annotation is timedelta or timedelta in get_args(field.annotation)


def _choices(field: FieldInfo | None, *, key: bool = False) -> list[str]:
    """Return the values of an enumeration; with `key`, those that name the keys of a table."""
    options = get_args(field.annotation)[:1] if field and key else [field and field.annotation]
    enums = [one for one in options if isinstance(one, type) and issubclass(one, StrEnum)]
    return [choice.value for choice in enums[0]] if enums else []


def in_words(value: object, *, secret: bool = False) -> str:
    """Describe a wrong value; the text of a secret is never repeated."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return "a number" if secret else f"the number {value}"
    if isinstance(value, str):
        return "this text" if secret or len(value) > _LONGEST_SHOWN else f'"{value}"'
    if isinstance(value, list | tuple):
        return "a list"
    return "a date or time" if isinstance(value, date | time) else "a table"


def toml_value(value: object) -> str:
    """Write a value the way `dreamnet.toml` would."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return f'"{format_duration(value)}"'
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        inner = cast("Sequence[object]", value)
        return f"[{', '.join(toml_value(one) for one in inner)}]"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return "{ " + ", ".join(f"{key} = {toml_value(one)}" for key, one in pairs) + " }"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def dotted(keys: Sequence[str | int]) -> str:
    """Write a key path the way TOML does: `services.shop.env.from[0]`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            part = key if key.replace("-", "").replace("_", "").isalnum() else toml_value(key)
            text += f".{part}" if text else part
    return text


def field_names(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model under the names users write."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def accepted_keys(model: type[BaseModel] | None) -> list[str]:
    """Return the keys that a table of this model accepts."""
    return list(field_names(model)) if model else []


def find_field(model: type[BaseModel], keys: Keys) -> FieldInfo | None:
    """Return the field that a key path reaches; elements belong to the field that holds them."""
    field: FieldInfo | None = None
    current: type[BaseModel] | None = model
    holds_elements = False
    for key in keys:
        if holds_elements:
            holds_elements = False
            continue
        if current is None:
            return field
        field = field_names(current).get(str(key))
        if field is None:
            return None
        current = model_in(field.annotation)
        holds_elements = get_origin(field.annotation) in {dict, list}
    return field


def model_at(model: type[BaseModel], keys: Keys) -> type[BaseModel] | None:
    """Return the model of the table that a key path reaches."""
    if not keys:
        return model
    field = find_field(model, keys)
    return model_in(field.annotation) if field else None


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside an annotation such as `dict[str, Model]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := model_in(one))), None)
