"""Write the tree of modules, with what each is for, into docs/architecture.md."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "src" / "dreamnet"
BEGIN, END = "<!-- tree: written by `make tree` -->\n", "<!-- end of tree -->"
_COLUMN = 26
# From the top floor down, as the contracts in .importlinter have it; what stands apart comes last.
_ORDER = (
    "__main__", "cli", "app", "web", "agents", "senses", "domain", "drivers", "model", "kernel",
    "health", "client", "root", "room", "testing",
)  # fmt: skip


def purpose(path: Path) -> str:
    """Return the first sentence of a module or package, without its full stop."""
    source = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=[.])\s", " ".join(text.split("\n\n")[0].split()))[0].rstrip(".")


def _is_module(path: Path) -> bool:
    is_package = path.is_dir() and (path / "__init__.py").exists()
    return is_package or (path.suffix == ".py" and path.stem != "__init__")


def children(folder: Path) -> list[Path]:
    """Return the modules and packages of a package."""
    return sorted(path for path in folder.iterdir() if _is_module(path))


def _rank(path: Path) -> tuple[int, str]:
    known = _ORDER.index(path.stem) if path.stem in _ORDER else len(_ORDER)
    return known, path.stem


def _line(path: Path, depth: int) -> str:
    name = "  " * depth + (f"{path.name}/" if path.is_dir() else path.name)
    return f"{name.ljust(_COLUMN)} {purpose(path)}".rstrip()


def tree(package: Path = PACKAGE) -> str:
    """Return the two top levels of the package as text."""
    lines = [f"src/{package.name}/"]
    for top in sorted(children(package), key=_rank):
        lines.append(_line(top, 1))
        lines += [_line(child, 2) for child in children(top)] if top.is_dir() else []
    return "\n".join(lines) + "\n"


def with_tree(document: str, text: str) -> str:
    """Return the document with the tree put between its two marks; ValueError without them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has lost its marks: {BEGIN.strip()} and {END}")
    return f"{before}{BEGIN}```\n{text}```\n{END}{after}"


def main() -> int:
    """Write the tree into the document."""
    DOCUMENT.write_text(with_tree(DOCUMENT.read_text(encoding="utf-8"), tree()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
