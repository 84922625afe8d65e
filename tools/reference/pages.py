"""The pages of the reference and who writes each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.reference import api, commands, events, metrics, settings

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


@dataclass(frozen=True)
class Page:
    """A file, and the function that makes its present text into what the code says."""

    file: Path
    renewed: Callable[[str], str]


PAGES = (
    Page(FOLDER / "config.md", settings.renewed),
    Page(FOLDER / "cli.md", commands.renewed),
    Page(FOLDER / "api.md", api.renewed),
    Page(FOLDER / "events.md", events.renewed),
    Page(FOLDER / "metrics.md", metrics.renewed),
)


def write(page: Page) -> bool:
    """Write a page; returns whether it has changed."""
    before = page.file.read_text(encoding="utf-8")
    after = page.renewed(before)
    if after != before:
        page.file.write_text(after, encoding="utf-8")
    return after != before
