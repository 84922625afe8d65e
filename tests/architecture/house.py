"""Where the house stands, and which of its files people wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "dreamnet"
# What `make`, the tests and the product make themselves; the same list as .gitignore.
_MADE = {".git", "__pycache__", "dist", "build", "node_modules", ".hypothesis"}
_MADE_PREFIX = (".venv", ".dreamnet")
_MADE_SUFFIX = ("_cache", ".egg-info")


def _is_made(folder: str) -> bool:
    return folder in _MADE or folder.startswith(_MADE_PREFIX) or folder.endswith(_MADE_SUFFIX)


def written_files(start: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield every text file of the tree that belongs to the project, with its text."""
    for folder, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if not _is_made(name))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith((".coverage", "coverage.")) or name == ".git" or path.is_symlink():
                continue
            try:
                yield path, path.read_text(encoding="utf-8")
            except (UnicodeDecodeError, FileNotFoundError):
                continue


def modules() -> list[Path]:
    """Return every Python module of the package."""
    return sorted(path for path in SOURCE.rglob("*.py") if "__pycache__" not in path.parts)


def dotted(path: Path) -> str:
    """Return the import name of a module of the package."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
