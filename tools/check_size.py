"""The size gate: files, functions, parameter lists and nesting stay small enough to read."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXCEPTIONS = Path(__file__).with_name("size_exceptions.toml")
# Tests tell stories of any length; only their files are held.
WHOLE = ("src", "tools", "bench", "examples")
FILES_ONLY = ("tests",)
SKIPPED = {"__pycache__", ".venv", ".dreamnet", ".dreamnet-demo", "node_modules"}

LIMITS = {"file-lines": 400, "function-lines": 40, "parameters": 5, "nesting": 3}
MENDS = {
    "file-lines": "give each noun its own file",
    "function-lines": "name its steps as functions of their own",
    "parameters": "gather what belongs together in a frozen dataclass",
    "nesting": "return early, or name the inner part as a function",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
_NESTS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar)
_NESTS_MORE = (ast.Match,)


@dataclass(frozen=True)
class Measure:
    """One measured size; `name` is the file, or file::function."""

    rule: str
    name: str
    line: int
    size: int


@dataclass(frozen=True)
class Excuse:
    """A reasoned exception: the limit that holds instead, and why."""

    limit: int
    why: str


def _depth(node: ast.AST) -> int:
    """Return how deep blocks lie inside `node`; an `elif` is no deeper than its `if`."""
    deepest = 0
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, Function | ast.ClassDef):
                continue
            elif_ = name == "orelse" and isinstance(node, ast.If) and isinstance(child, ast.If)
            step = isinstance(child, (*_NESTS, *_NESTS_MORE)) and not elif_
            deepest = max(deepest, step + _depth(child))
    return deepest


def _parameters(node: Function, *, in_class: bool) -> int:
    found = node.args
    count = len(found.posonlyargs) + len(found.args) + len(found.kwonlyargs)
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    return count - 1 if in_class and not static else count


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function, bool]]:
    """Yield every function with its dotted name and whether a class owns it."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, Function):
            yield prefix + child.name, child, isinstance(tree, ast.ClassDef)
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def _lines(node: Function) -> int:
    """Return the lines of a function without its docstring, which is prose."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is None:
        return total
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1)


def measure(path: Path, name: str, *, whole: bool) -> Iterator[Measure]:
    """Yield every size of one file; only the file's own length unless `whole`."""
    text = path.read_text(encoding="utf-8")
    yield Measure("file-lines", name, 1, len(text.splitlines()))
    if not whole:
        return
    for function, node, in_class in _functions(ast.parse(text, str(path))):
        place = f"{name}::{function}"
        yield Measure("function-lines", place, node.lineno, _lines(node))
        yield Measure("parameters", place, node.lineno, _parameters(node, in_class=in_class))
        yield Measure("nesting", place, node.lineno, _depth(node))


def read_excuses(path: Path) -> dict[tuple[str, str], Excuse]:
    """Return the exceptions by rule and place; ValueError when one has no reason."""
    excuses: dict[tuple[str, str], Excuse] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("exception", []):
        if not entry.get("why", "").strip() or entry.get("rule") not in LIMITS:
            raise ValueError(f"{path.name}: an exception needs a known rule and a reason: {entry}")
        excuses[entry["rule"], entry["where"]] = Excuse(entry["limit"], entry["why"])
    return excuses


def judge(found: list[Measure], excuses: dict[tuple[str, str], Excuse]) -> list[str]:
    """Return one complaint for each size over its limit and each exception without use."""
    complaints: list[str] = []
    unused = set(excuses)
    for one in found:
        excuse = excuses.get((one.rule, one.name))
        if one.size <= LIMITS[one.rule]:
            continue
        unused.discard((one.rule, one.name))
        limit = excuse.limit if excuse else LIMITS[one.rule]
        if one.size > limit:
            complaints.append(_complain(one, limit))
    complaints += [
        f"{EXCEPTIONS.name}: no longer needed: {rule} of {name}" for rule, name in unused
    ]
    return sorted(complaints)


def _complain(one: Measure, limit: int) -> str:
    file, _, function = one.name.partition("::")
    owner = f"{function} has " if function else ""
    return (
        f"{file}:{one.line}: {owner}{one.rule} {one.size}, at most {limit}"
        f"\n  mend: {MENDS[one.rule]}"
    )


def python_files(root: Path, folder: str) -> list[Path]:
    """Return the Python files of a folder that people wrote."""
    files = (root / folder).rglob("*.py")
    return sorted(path for path in files if not SKIPPED & set(path.relative_to(root).parts))


def main(root: Path = ROOT) -> int:
    """Print every complaint; 1 when there is one."""
    found = [
        one
        for folder in (*WHOLE, *FILES_ONLY)
        for path in python_files(root, folder)
        for one in measure(path, path.relative_to(root).as_posix(), whole=folder in WHOLE)
    ]
    complaints = judge(found, read_excuses(EXCEPTIONS))
    sys.stdout.write("\n".join([*complaints, ""]))
    if not complaints:
        sizes = sorted(one.size for one in found if one.rule == "function-lines")
        middle = sizes[len(sizes) // 2] if sizes else 0
        sys.stdout.write(
            f"sizes: {len(sizes)} functions, median {middle} lines, all within limits\n"
        )
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
