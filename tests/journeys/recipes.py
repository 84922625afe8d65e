"""The files that a how-to page shows: a path in backticks, then a block."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs/how-to/services"
_FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTINGS = "dreamnet.toml"


@dataclass(frozen=True)
class Recipe:
    """One page: its service, the lines of its settings, its other files."""

    page: str
    service: str
    settings: str
    files: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write the files of the service."""
        for name, text in self.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def recipes() -> list[Recipe]:
    """Return the recipe of every page."""
    return [_recipe(page) for page in sorted(PAGES.glob("*.md"))]


def _recipe(page: Path) -> Recipe:
    files = dict(_FILE.findall(page.read_text(encoding="utf-8")))
    settings = files.pop(SETTINGS)
    found = re.search(r"^\[services\.([\w-]+)\]\n", settings, re.MULTILINE)
    assert found, f"{page.name} shows no service"
    return Recipe(page.stem, found[1], settings, files)
