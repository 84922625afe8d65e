"""The tables of `api.md`, from the OpenAPI document and the scopes of the routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dreamnet import __version__
from dreamnet.web.scopes import SCOPES
from dreamnet.web.server import make_api
from tools.reference.sections import cell, table, with_table

_HEAD = ("request", "scope", "what it does")


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Return every operation of the OpenAPI document by method and path."""
    paths = make_api(__version__).openapi()["paths"]
    return {
        (method.upper(), path): operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def renewed(text: str) -> str:
    """Return the page with every route; ValueError when a heading of a noun is missing."""
    for tag in sorted({_tag(operation) for operation in operations().values()}):
        written = table(_HEAD, list(_rows(tag)))
        after = with_table(text, re.compile(re.escape(tag)), written)
        if after is None:
            raise ValueError(f"docs/reference/api.md: write a heading ## {tag}, with its prose")
        text = after
    return text


def _tag(operation: dict[str, Any]) -> str:
    return operation["tags"][0].capitalize()


def _rows(tag: str) -> Iterator[tuple[str, str, str]]:
    for (method, path), operation in operations().items():
        if _tag(operation) == tag:
            words = operation.get("description") or operation["summary"]
            yield f"`{method} {path}{_query(operation)}`", SCOPES[method, path], cell(words)


def _query(operation: dict[str, Any]) -> str:
    asked = operation.get("parameters", [])
    names = [one["name"] for one in asked if one["in"] == "query"]
    return f"?{'&'.join(names)}" if names else ""
