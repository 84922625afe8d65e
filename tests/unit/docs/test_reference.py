"""The reference says what the code says: nothing is missing, nothing is old."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from dreamnet.model.address import Address
from dreamnet.model.complaints import field_names
from dreamnet.model.sections import NodeSettings
from dreamnet.model.settings import SECTIONS, SERVICES, Settings
from dreamnet.model.watch_written import WatchAsWritten
from dreamnet.model.written import ServiceAsWritten
from tools.reference.pages import PAGES, Page
from tools.reference.sections import table, with_table
from tools.reference.settings import TABLES

REEF = "reef"  # shown by its offices


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.file.name)
def test_the_page_is_what_the_code_says(page: Page) -> None:
    text = page.file.read_text(encoding="utf-8")
    assert page.renewed(text) == text, "mend: make reference, then read what changed"


# -- settings


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def reachable(model: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    todo = [model]
    while todo:
        one = todo.pop()
        if one not in found and one is not Address:
            found.add(one)
            todo += [
                inner for field in one.model_fields.values() for inner in models(field.annotation)
            ]
    return found


def test_every_table_that_can_be_written_has_its_place() -> None:
    sections = {model for name, model in SECTIONS.items() if name != REEF}
    written = {ServiceAsWritten, WatchAsWritten, *sections}
    missing = {inner for model in written for inner in reachable(model)} - set(TABLES.values())
    assert missing == set(), "mend: name it in tools/reference/settings.py, and write its heading"


def test_the_settings_have_no_other_section() -> None:
    assert {*SECTIONS, SERVICES} == set(Settings.model_fields) - {"file", "watches"}


def test_every_setting_says_what_it_is_for() -> None:
    for model in TABLES.values():
        for key, field in field_names(model).items():
            assert field.description, (model, key)


def test_a_shared_database_promises_no_second_node() -> None:
    words = NodeSettings.model_fields["store"].description or ""
    assert "one node works on one database" in words


# -- the writing itself

SHOP = re.compile(re.escape("`shop`"))
TEXT = """\
# Page

## `shop`

Words.

| a | b |
|---|---|
| old | 1 |

After.

## `other`

More.
"""


def test_a_table_is_replaced_where_it_stands() -> None:
    new = with_table(TEXT, SHOP, table(("a", "b"), [("new", "2")]))
    assert new == TEXT.replace("| old | 1 |", "| new | 2 |")


def test_a_table_comes_before_the_example_or_at_the_end() -> None:
    bare = "## `shop`\n\nWords.\n\nExample: `shop`\n"
    rows = table(("a",), [("1",)])
    assert with_table(bare, SHOP, rows) == f"## `shop`\n\nWords.\n\n{rows}\nExample: `shop`\n"
    assert with_table("## `shop`\n\nWords.\n", SHOP, rows) == f"## `shop`\n\nWords.\n\n{rows}\n"


def test_a_heading_in_a_block_is_none() -> None:
    assert with_table("```\n## `shop`\n```\n", SHOP, "x") is None
