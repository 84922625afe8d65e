"""How values become columns and come back the same on every database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from sqlalchemy import BigInteger, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from dreamnet.kernel.errors import Corrupt
from dreamnet.model.record import Record

R = TypeVar("R", bound=Record)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_micros(at: datetime) -> int:
    """Return microseconds since 1970 in UTC; ValueError when `at` has no time zone."""
    if at.tzinfo is None:
        raise ValueError(f"a stored time needs a time zone: {at.isoformat()}")
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def clean(text: str) -> str:
    """Return `text` with what PostgreSQL cannot store (NUL, lone surrogates) replaced."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def canonical(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, ASCII; TypeError if none."""
    return _ENCODER.encode(value)


class Instant(TypeDecorator[datetime]):
    """An aware time as microseconds since 1970: sorts and returns alike on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """Return the stored form."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """Return the aware time."""
        return None if value is None else from_micros(value)


class Words(TypeDecorator[str]):
    """Text that any sense or agent may have written, cleaned alike on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """Return the stored form."""
        return None if value is None else clean(value)


class Json(TypeDecorator[dict[str, Any]]):
    """A JSON object as canonical text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> str | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """Return the canonical text."""
        return None if value is None else canonical(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any] | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """Return the object."""
        return None if value is None else json.loads(value)


def write_record(record: Record) -> str:
    """Return a record as JSON text that every database can store."""
    return canonical(record.model_dump(mode="json"))


def read_record(kind: type[R], text: str) -> R:
    """Return a record stored as text; see `restore`."""
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        return restore(kind, _object(text))


def _object(text: str) -> dict[str, Any]:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Corrupt(f"a stored row holds no JSON: {error}") from error


def restore(kind: type[R], values: dict[str, Any]) -> R:
    """Return a stored record; words that only a newer DreamNet knows are passed through as text.

    Raises `Corrupt` when a field is missing or of the wrong type.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        return _passed_through(kind, values, error)


def _passed_through(kind: type[R], values: dict[str, Any], error: ValidationError) -> R:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if any(fault["type"] not in {"enum", "extra_forbidden"} for fault in faults):
        raise Corrupt(f"a stored {kind.__name__} cannot be read: {faults[0]['msg']}") from error
    strange = {str(fault["loc"][0]) for fault in faults}
    words = {name: values[name] for name in strange if name in kind.model_fields}
    known = {name: value for name, value in values.items() if name not in strange}
    filled = {name: _placeholder(kind, name) for name in words}
    return kind.model_validate(known | filled).model_copy(update=words)


def _placeholder(kind: type[Record], name: str) -> object:
    """Return any value that validates, to be replaced by the strange word."""
    words = cast("Any", kind.model_fields[name].annotation)
    return next(iter(words))


def is_known(record: Record) -> bool:
    """True if the record holds no word from a newer DreamNet."""
    try:
        type(record).model_validate(record.model_dump(warnings=False))
    except ValidationError:
        return False
    return True
