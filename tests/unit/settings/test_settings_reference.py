"""The reference names every setting with its default, and nothing that does not exist."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from dreamnet.model.complaints import field_names, toml_value
from dreamnet.model.policy import OfficePolicy
from dreamnet.model.sections import NodeSettings
from dreamnet.model.services import LogLimits, Replicas, Route
from dreamnet.model.settings import SECTIONS, SERVICES, Settings
from dreamnet.model.watch_written import WATCH, WatchAsWritten
from dreamnet.model.written import (
    EnvAsWritten,
    HealthAsWritten,
    ProbeAsWritten,
    ServiceAsWritten,
)

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "config.md"

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


def documented(heading: str) -> dict[str, str]:
    """Return the rows of the table below a heading, by key."""
    text = REFERENCE.read_text()
    _, found, rest = text.partition(f"# {heading}\n")
    assert found, f"the reference has no heading {heading}"
    section = re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r"^\| `(\w+)` \|(.*)$", section, re.MULTILINE))


@pytest.mark.parametrize("heading", list(TABLES))
def test_every_key_is_documented_and_no_other(heading: str) -> None:
    assert list(documented(heading)) == list(field_names(TABLES[heading]))


@pytest.mark.parametrize("heading", list(TABLES))
def test_every_plain_default_is_the_documented_one(heading: str) -> None:
    rows = documented(heading)
    for key, field in field_names(TABLES[heading]).items():
        default = None if field.is_required() else field.get_default()
        if default not in (None, [], {}) and not field.examples:
            assert f"`{toml_value(default)}`" in rows[key], key


def test_every_setting_has_a_reason() -> None:
    for model in TABLES.values():
        for key, field in field_names(model).items():
            assert field.description or key in {"interval", "timeout"}, (model, key)


def test_the_reference_covers_every_table_of_the_settings() -> None:
    assert {*SECTIONS, SERVICES} == set(Settings.model_fields) - {"file", "watches"}


def test_a_shared_database_promises_no_second_node() -> None:
    for words in (documented("`[node]`")["store"], NodeSettings.model_fields["store"].description):
        assert "one node works on one database" in (words or "")
