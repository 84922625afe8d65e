"""Guesses how the app in a folder is started and where its health is asked."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dreamnet.kernel.errors import NotFound

_SKIPPED = frozenset(
    {"node_modules", "venv", "env", "__pycache__", "tests", "test", "docs", "build", "migrations"}
)
_DEEPEST = 4
_MOST_FILES = 2000
_LARGEST_BYTES = 500_000
_SOURCES = frozenset({".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".go"})
_ASGI = frozenset({"FastAPI", "Starlette", "Litestar", "Quart", "Sanic", "BlackSheep"})
_WSGI = frozenset({"Flask"})
_VENVS = (".venv", "venv", "env")
_PAGES = ("public", "dist", "build", "site", "_site", "www", "htdocs")
_LIVE = ("/health/live", "/livez", "/live")
_READY = ("/health/ready", "/readyz", "/ready", "/healthz", "/health")
_HEALTH = re.compile(
    r"""["'`](/(?:health/live|health/ready|healthz|health|livez|live|readyz|ready)/?)["'`]"""
)
_DJANGO_HEALTH = re.compile(
    r"""path\(\s*r?["']\^?((?:health/live|health/ready|healthz|health|livez|readyz)/?)\$?["']"""
)
_SHELL = re.compile(r"[|&;<>`]|\$\(")


@dataclass(frozen=True)
class Guess:
    """What was found: its kind in words, how to run it, where to ask for its health."""

    kind: str
    run: str
    live: str = ""
    ready: str = ""


@dataclass(frozen=True)
class _App:
    """An application object in a Python module."""

    module: str
    name: str
    base: str
    framework: str
    factory: bool = False

    @property
    def rank(self) -> tuple[bool, int, bool, str]:
        """Return what sorts the likeliest app first."""
        known = self.module.rpartition(".")[2] in {"main", "app", "asgi", "wsgi", "server"}
        return (self.factory, self.module.count("."), not known, self.module)


def detect(folder: Path) -> Guess:
    """Look at the files of a folder; nothing is run, nothing is written.

    `NotFound` when there is nothing that can be served without showing the folder itself.
    """
    finders: tuple[Callable[[Path], Guess | None], ...] = (
        _procfile,
        _django,
        _python_app,
        _node,
        _rails,
        _go,
    )
    found = next((guess for find in finders if (guess := find(folder))), None)
    if found is None:
        return _static(folder)
    live, ready = guess_health(folder)
    return Guess(found.kind, found.run, live or found.live, ready or found.ready)


def guess_health(folder: Path) -> tuple[str, str]:
    """Return the paths for live and ready that the sources mention; empty where none does.

    A lone `/health` is taken for readiness: it may look at a database, and a database that is
    away is no reason to restart the service.
    """
    paths: set[str] = set()
    for file in _files(folder, _SOURCES):
        text = _read(file)
        paths.update(_HEALTH.findall(text))
        paths.update(f"/{found}" for found in _DJANGO_HEALTH.findall(text))
        if file.suffix == ".py" and "dreamnet.health" in text:
            paths.update({"/health/live", "/health/ready"})
    return _first(_LIVE, paths), _first(_READY, paths)


def _first(wanted: tuple[str, ...], present: set[str]) -> str:
    choices = (path for one in wanted for path in (one, f"{one}/") if path in present)
    return next(choices, "")


def _files(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    """Yield the sources from the top down, without dependencies, tests and hidden folders."""
    level, seen = [folder], 0
    for _ in range(_DEEPEST):
        entries = [entry for place in level for entry in _entries(place)]
        for entry in entries:
            if entry.suffix in suffixes and entry.is_file() and seen < _MOST_FILES:
                seen += 1
                yield entry
        level = [entry for entry in entries if _is_searched(entry)]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_searched(entry: Path) -> bool:
    hidden = entry.name.startswith(".") or entry.name in _SKIPPED
    return not hidden and entry.is_dir() and not entry.is_symlink()


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace") if file.stat().st_size < _LARGEST_BYTES else ""
    except OSError:
        return ""


def _program(folder: Path, name: str) -> str:
    """Return the program of the folder's virtual environment, or the bare name."""
    places = (f"{venv}/bin/{name}" for venv in _VENVS)
    return next((place for place in places if (folder / place).exists()), name)


def _python(folder: Path) -> str:
    found = _program(folder, "python")
    return found if "/" in found else "python3"


def _server(folder: Path, names: tuple[str, ...], fallback: str) -> str:
    """Return the first server that is installed, else the first that is declared."""
    here = [name for name in names if "/" in _program(folder, name)]
    declared = " ".join(
        _read(folder / file)
        for file in ("requirements.txt", "requirements.in", "requirements.lock", "pyproject.toml")
    )
    named = [name for name in names if re.search(rf"\b{name}\b", declared)]
    known = [name for name in names if shutil.which(name)]
    return (*here, *named, *known, fallback)[0]


def _procfile(folder: Path) -> Guess | None:
    web = re.search(r"^web:\s*(.+)$", _read(folder / "Procfile"), re.MULTILINE)
    if web is None:
        return None
    command = re.sub(r"\$\{PORT(?::-?\d*)?\}", "$PORT", web[1].strip())
    if _SHELL.search(command):
        quoted = command.replace("'", "'\\''")
        return Guess("a Procfile", f"sh -c '{quoted}'")
    first, _, rest = command.partition(" ")
    return Guess("a Procfile", f"{_program(folder, first)} {rest}".strip())


def _django(folder: Path) -> Guess | None:
    manage = _read(folder / "manage.py")
    found = re.search(r"""DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)\.settings""", manage)
    if "django" not in manage.lower():
        return None
    if found and _server(folder, ("gunicorn",), "") == "gunicorn":
        program = _program(folder, "gunicorn")
        return Guess("Django", f"{program} {found[1]}.wsgi --bind 127.0.0.1:$PORT")
    return Guess("Django", f"{_python(folder)} manage.py runserver --noreload 127.0.0.1:$PORT")


def _python_app(folder: Path) -> Guess | None:
    apps = [app for file in _files(folder, frozenset({".py"})) for app in _apps(folder, file)]
    if not apps:
        return None
    app = min(apps, key=lambda one: one.rank)
    run = _run_asgi(folder, app) if app.framework in _ASGI else _run_wsgi(folder, app)
    return Guess(app.framework, run)


def _apps(folder: Path, file: Path) -> Iterator[_App]:
    text = _read(file)
    if not any(name in text for name in _ASGI | _WSGI):
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    parts = file.relative_to(folder).with_suffix("").parts
    base = "src" if parts[0] == "src" and len(parts) > 1 else ""
    module = ".".join(part for part in parts[bool(base) :] if part != "__init__")
    for name, framework, factory in _definitions(tree):
        yield _App(module, name, base, framework, factory)


def _definitions(tree: ast.Module) -> Iterator[tuple[str, str, bool]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            made = [_framework(part) for part in ast.walk(node) if isinstance(part, ast.Call)]
            framework = next((one for one in made if one), "")
            if framework and node.name in {"create_app", "make_app", "get_app", "build_app"}:
                yield node.name, framework, True
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            framework = _framework(node.value)
            if framework and isinstance(target, ast.Name):
                yield target.id, framework, False


def _framework(node: ast.AST | None) -> str:
    """Return `FastAPI` for `FastAPI(...)` and `fastapi.FastAPI(...)`."""
    if not isinstance(node, ast.Call):
        return ""
    called = node.func
    name = called.id if isinstance(called, ast.Name) else ""
    name = called.attr if isinstance(called, ast.Attribute) else name
    return name if name in _ASGI | _WSGI else ""


def _run_asgi(folder: Path, app: _App) -> str:
    server = _server(folder, ("uvicorn", "hypercorn", "granian"), "uvicorn")
    program = _program(folder, server)
    spot = f"{app.module}:{app.name}"
    if server == "hypercorn":
        spot += "()" if app.factory else ""
        spot = f"{app.base}/{spot}" if app.base else spot
        return f"{program} '{spot}' --bind 127.0.0.1:$PORT"
    factory = " --factory" if app.factory else ""
    if server == "granian":
        base = f" --working-dir {app.base}" if app.base else ""
        return f"{program} --interface asgi --host 127.0.0.1 --port $PORT{base}{factory} {spot}"
    base = f" --app-dir {app.base}" if app.base else ""
    return f"{program} {spot}{base}{factory} --host 127.0.0.1 --port $PORT"


def _run_wsgi(folder: Path, app: _App) -> str:
    server = _server(folder, ("gunicorn", "waitress-serve"), "flask")
    program = _program(folder, server)
    spot = f"{app.module}:{app.name}"
    if server == "gunicorn":
        base = f" --pythonpath {app.base}" if app.base else ""
        spot = f"'{spot}()'" if app.factory else spot
        return f"{program} {spot}{base} --bind 127.0.0.1:$PORT"
    if server == "waitress-serve" and not app.base:
        call = " --call" if app.factory else ""
        return f"{program} --listen=127.0.0.1:$PORT{call} {spot}"
    file = f"{app.base}/{app.module.replace('.', '/')}" if app.base else app.module
    return f"{_program(folder, 'flask')} --app {file}:{app.name} run --port $PORT"


def _node(folder: Path) -> Guess | None:
    try:
        package: Any = json.loads(_read(folder / "package.json"))
    except ValueError:
        return None
    scripts: object = cast("dict[str, object]", package).get("scripts") if _is_table(package) else 0
    start = cast("dict[str, object]", scripts).get("start") if _is_table(scripts) else None
    if not isinstance(start, str) or not start.strip():
        return None
    # without npm in between a signal reaches the app itself
    direct = re.fullmatch(r"node [\w./ =-]+", start.strip())
    return Guess("Node", direct[0] if direct else "npm start")


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _rails(folder: Path) -> Guess | None:
    if (folder / "bin" / "rails").is_file():
        return Guess("Rails", "bin/rails server -b 127.0.0.1 -p $PORT", ready="/up")
    if (folder / "config.ru").is_file():
        return Guess("Rack", "bundle exec rackup -o 127.0.0.1 -p $PORT")
    return None


def _go(folder: Path) -> Guess | None:
    return Guess("Go", "go run .") if (folder / "go.mod").is_file() else None


def _static(folder: Path) -> Guess:
    """Serve a folder of pages, never the one above: there lie the settings, secrets and our data.

    Whoever serves `.` serves `.env` and `.dreamnet` to every visitor.
    """
    place = next((name for name in _PAGES if _is_pages(folder, name)), None)
    if place is None:
        raise _nothing(folder)
    run = f"python3 -m http.server --bind 127.0.0.1 --directory {place} $PORT"
    return Guess("a folder of files", run, ready="/")


def _is_pages(folder: Path, name: str) -> bool:
    """Tell whether a folder holds pages; one that leads back to its parent by a link does not."""
    pages = folder / name
    inside = not folder.resolve().is_relative_to(pages.resolve())
    return inside and (pages / "index.html").is_file()


def _nothing(folder: Path) -> NotFound:
    if (folder / "index.html").is_file():
        return NotFound.of(
            "the pages lie beside what no visitor may see (dreamnet.toml, .env, DreamNet's data)",
            where=str(folder / "index.html"),
            mend="move the pages into public/, then again: dreamnet init",
        )
    return NotFound.of(
        "nothing was found here that DreamNet knows how to start",
        where=str(folder),
        mend='go to the folder of the app; or write a Procfile with a line "web: COMMAND"; or put '
        "pages with an index.html into public/; then again: dreamnet init",
    )
