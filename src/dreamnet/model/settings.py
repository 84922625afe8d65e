"""Everything `dreamnet.toml` says, read once at the start and frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import Field, ValidationError

from dreamnet.kernel.errors import Complaint, ConfigError
from dreamnet.kernel.toml import Document, Keys, read_toml
from dreamnet.model.checks import Draft, check_settings
from dreamnet.model.complaints import Place, complaints_about, dotted, in_words, unknown_key
from dreamnet.model.policy import DEFAULT_CAPACITY, HealPolicy, ReefPolicy
from dreamnet.model.record import Record
from dreamnet.model.sections import GatewaySettings, NodeSettings, RetentionSettings
from dreamnet.model.services import ServiceName, ServiceSpec, check_service_name
from dreamnet.model.watch_written import (
    WATCH,
    WatchAsWritten,
    WatchedAsWritten,
    expand_watched,
    is_watched,
)
from dreamnet.model.watches import Watch, WatchName
from dreamnet.model.written import ServiceAsWritten, expand_service

SERVICES = "services"


class Settings(Record):
    """The whole configuration; `file` is the absolute path it came from.

    `watches` are the tables under `services` that are only watched: a type of their own, so that
    nothing which starts, stops, scales or routes can take one for a service.
    """

    file: Path
    node: NodeSettings = NodeSettings()
    gateway: GatewaySettings = GatewaySettings()
    heal: HealPolicy = HealPolicy()
    reef: ReefPolicy | None = ReefPolicy()
    retention: RetentionSettings = RetentionSettings()
    services: dict[ServiceName, ServiceSpec] = Field(default={})
    watches: dict[WatchName, Watch] = Field(default={})

    @property
    def root(self) -> Path:
        """Return the folder that relative paths start from."""
        return self.file.parent

    @property
    def data_dir(self) -> Path:
        """Return the absolute folder of DreamNet's own data."""
        return self.root / self.node.data_dir


SECTIONS: dict[str, type[Record]] = {
    "node": NodeSettings,
    "gateway": GatewaySettings,
    "heal": HealPolicy,
    "reef": ReefPolicy,
    "retention": RetentionSettings,
}
"""The tables of the file, `[services.NAME]` apart."""

_RecordT = TypeVar("_RecordT", bound=Record)


def load_settings(path: Path) -> Settings:
    """Read `dreamnet.toml`; ConfigError with every complaint at once, each with file and line."""
    document = read_toml(path)
    reader = _Reader(document)
    draft = Draft(
        document=document,
        node=reader.section("node", NodeSettings),
        gateway=reader.section("gateway", GatewaySettings),
        heal=reader.section("heal", HealPolicy),
        services=reader.services(),
        watches=reader.watches(),
    )
    reef = reader.section("reef", ReefPolicy)
    retention = reader.section("retention", RetentionSettings)
    reader.unknown_tables()
    complaints = [*reader.complaints, *check_settings(draft)]
    if complaints or not (draft.node and draft.gateway and draft.heal and reef and retention):
        raise ConfigError(*sorted(complaints, key=_line))
    file = path.resolve()
    return Settings(
        file=file,
        node=draft.node,
        gateway=draft.gateway,
        heal=draft.heal,
        reef=reef,
        retention=retention,
        services={
            ServiceName(name): written.to_spec(name, file.parent)
            for name, written in draft.services.items()
            if written is not None
        },
        watches={
            WatchName(name): written.to_watch(name)
            for name, written in draft.watches.items()
            if written is not None
        },
    )


def load_node_settings(path: Path) -> NodeSettings:
    """Read only `[node]`, however wrong the rest may be; ConfigError when it is wrong itself."""
    reader = _Reader(read_toml(path))
    node = reader.section("node", NodeSettings)
    if node is None:
        raise ConfigError(*reader.complaints)
    return node


def _line(complaint: Complaint) -> int:
    tail = complaint.where.rpartition(":")[2]
    return int(tail) if tail.isdigit() else 0


class _Reader:
    """Reads the tables of a document one by one and gathers what is wrong with each."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.complaints: list[Complaint] = []

    def section(self, name: str, model: type[_RecordT]) -> _RecordT | None:
        """Return one table, defaults where nothing is written, None when it is wrong."""
        raw: object = self._document.data.get(name, {})
        return self._read((name,), _expand_reef(raw) if name == "reef" else raw, model)

    def services(self) -> dict[str, ServiceAsWritten | None]:
        """Return every service; None for one that is wrong."""
        raw: object = self._document.data.get(SERVICES, {})
        if not isinstance(raw, dict):
            self._complain((SERVICES,), "expected a table", "such as: [services.shop]", raw)
            return {"": None}
        tables = cast("dict[str, object]", raw)
        return {
            name: self._service(name, table)
            for name, table in tables.items()
            if not is_watched(table)
        }

    def watches(self) -> dict[str, WatchAsWritten | None]:
        """Return everything that is only watched; None for one that is wrong."""
        raw: object = self._document.data.get(SERVICES, {})
        tables = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
        return {
            name: self._watch(name, table) for name, table in tables.items() if is_watched(table)
        }

    def _service(self, name: str, raw: object) -> ServiceAsWritten | None:
        self._check_name(name)
        return self._read((SERVICES, name), expand_service(raw), ServiceAsWritten)

    def _watch(self, name: str, table: dict[str, Any]) -> WatchAsWritten | None:
        self._check_name(name)
        if "run" in table:
            what = f'"run" and "{WATCH}" exclude each other'
            mend = f'remove "{WATCH}" to start it here, or "run" to only look at it'
            self._complain((SERVICES, name, WATCH), what, mend)
            return None
        read = self._read((SERVICES, name), expand_watched(table), WatchedAsWritten)
        return None if read is None else read.watch

    def _check_name(self, name: str) -> None:
        try:
            check_service_name(name)
        except ValueError as error:
            self._complain((SERVICES, name), str(error), "such as: [services.shop]")

    def _read(self, keys: Keys, raw: object, model: type[_RecordT]) -> _RecordT | None:
        try:
            return model.model_validate_json(json.dumps(raw, default=_no_such_value), strict=True)
        except ValidationError as error:
            self.complaints += complaints_about(error, Place(self._document, keys, model))
            return None

    def unknown_tables(self) -> None:
        """Complain about tables and keys at the top that nobody reads."""
        accepted = [*SECTIONS, SERVICES]
        place = Place(self._document, (), Settings)
        for key in self._document.data.keys() - set(accepted):
            self.complaints.append(unknown_key(place, (key,), accepted))

    def _complain(self, keys: Keys, what: str, mend: str, *got: object) -> None:
        said = f"{dotted(keys)}: {what}" + "".join(f", not {in_words(one)}" for one in got)
        self.complaints.append(Complaint(said, self._document.where(keys), mend))


def _no_such_value(_: object) -> list[None]:
    """Stand in for a date, which JSON does not have and no setting takes."""
    return [None]


def _expand_reef(raw: object) -> object:
    """Fill in what an office leaves out; what has another shape is left for validation."""
    offices: object = cast("dict[str, object]", raw).get("offices", {}) if _is_table(raw) else None
    if not _is_table(offices):
        return raw
    written = cast("dict[str, object]", offices)
    full: dict[str, object] = {
        str(office): {"capacity": capacity} for office, capacity in DEFAULT_CAPACITY.items()
    }
    for name, table in written.items():
        default = cast("Mapping[str, Any]", full.get(name, {}))
        full[name] = {**default, **cast("Mapping[str, Any]", table)} if _is_table(table) else table
    return cast("dict[str, object]", raw) | {"offices": full}


def _is_table(value: object) -> bool:
    return isinstance(value, dict)
