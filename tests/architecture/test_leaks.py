"""Nothing in the tree tells where it was made, and nothing in the product is unfinished."""

from __future__ import annotations

import ast
import re

from house import ROOT, SOURCE, modules, written_files

# Written in pieces, so that this file does not find itself.
_PLACES = re.compile(
    "|".join(
        [
            r"(?<![\w.])/" + r"work/(main|shared)\b",
            r"(?<![\w.])/" + r"root/",
            r"(?<![\w.])/" + r"home/(?!me/|you/|user/|app/|shop/)\w+/",
            r"\." + r"pyenv\b",
        ]
    )
)
_HOSTS = re.compile(
    "|".join(
        name.replace(" ", r"\.")
        for name in (
            "pypi org", "python" + "hosted org", "registry npmjs org", "deb debian org",
            "proxy golang org", "static crates io", "ghcr io", "quay io", "gcr io/", "anaconda org",
        )
    )
)  # fmt: skip
_UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")


def _hits(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path, text in written_files()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_path_of_a_machine() -> None:
    assert _hits(_PLACES) == [], "name files relative to the project or to a folder the user gives"


def test_no_host_of_a_registry() -> None:
    assert _hits(_HOSTS) == [], "the installer's own settings say where packages come from"


def test_patterns_see_what_they_should() -> None:
    assert _PLACES.search('"/' + 'work/main/src"')
    assert _PLACES.search("see /" + "home/alice/.cache")
    assert not _PLACES.search("https://example.org/home/index.html".replace("/home/", "/start/"))
    assert _HOSTS.search("https://files.python" + "hosted.org/x")


def test_nothing_is_left_to_do_in_src() -> None:
    hits = [hit for hit in _hits(_UNFINISHED) if hit.startswith(("src/", "bench/", "examples/"))]
    assert hits == [], "finish it, or write what is missing into docs/limits.md"


def test_no_stub_in_src() -> None:
    stubs = [stub for path in modules() for stub in _stubs_of(path.relative_to(ROOT).as_posix())]
    assert stubs == []


def _stubs_of(name: str) -> list[str]:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"), name)
    return [
        f"{name}:{node.lineno}: {node.id} is no answer for a user"
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        path.relative_to(SOURCE).as_posix()
        for path in modules()
        if (text := path.read_text(encoding="utf-8")).strip()
        and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == [], "begin the module with one sentence that says what the file is for"
