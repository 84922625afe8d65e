"""`dreamnet init` in sample folders: the guess is right, and the file loads."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dreamnet.cli.detect import detect
from dreamnet.cli.init import init
from dreamnet.cli.template import service_name
from dreamnet.kernel.errors import Conflict, NotFound
from dreamnet.model.settings import load_settings

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "import flask\nweb = flask.Flask(__name__)\n"
DJANGO = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\nimport django\n"
PROGRAM = "#!program"

# name, files, the command, live, ready
SAMPLES: list[tuple[str, dict[str, str], str, str, str]] = [
    (
        "FastAPI, own environment",
        {
            "shop.py": FASTAPI + 'PATHS = ["/health/live", "/health/ready"]\n',
            ".venv/bin/uvicorn": PROGRAM,
        },
        ".venv/bin/uvicorn shop:app --host 127.0.0.1 --port $PORT",
        "/health/live",
        "/health/ready",
    ),
    (
        "FastAPI under src, declared server",
        {
            "src/shop/main.py": FASTAPI,
            "src/shop/__init__.py": "",
            "tests/test_app.py": "app = FastAPI()",
            "requirements.txt": "hypercorn==1\n",
            "venv/bin/hypercorn": PROGRAM,
        },
        "venv/bin/hypercorn 'src/shop.main:app' --bind 127.0.0.1:$PORT",
        "",
        "",
    ),
    (
        "the nearest app wins, a factory comes last",
        {
            "a.py": "def create_app():\n    return FastAPI()\n",
            "pkg/app.py": FASTAPI,
            "zoo/deep/app.py": FASTAPI,
            ".venv/bin/uvicorn": PROGRAM,
        },
        ".venv/bin/uvicorn pkg.app:app --host 127.0.0.1 --port $PORT",
        "",
        "",
    ),
    (
        "Starlette factory",
        {
            "server.py": "def create_app() -> Starlette:\n    return Starlette()\n",
            ".venv/bin/uvicorn": PROGRAM,
        },
        ".venv/bin/uvicorn server:create_app --factory --host 127.0.0.1 --port $PORT",
        "",
        "",
    ),
    (
        "Flask with gunicorn",
        {
            "app.py": FLASK + 'web.route("/healthz")\n',
            ".venv/bin/gunicorn": PROGRAM,
            "pyproject.toml": "dependencies = ['gunicorn']",
        },
        ".venv/bin/gunicorn app:web --bind 127.0.0.1:$PORT",
        "",
        "/healthz",
    ),
    (
        "Flask with waitress",
        {"app.py": FLASK, ".venv/bin/waitress-serve": PROGRAM},
        ".venv/bin/waitress-serve --listen=127.0.0.1:$PORT app:web",
        "",
        "",
    ),
    (
        "Django with gunicorn",
        {
            "manage.py": DJANGO,
            "mysite/urls.py": 'path("healthz/", x)',
            ".venv/bin/gunicorn": PROGRAM,
        },
        ".venv/bin/gunicorn mysite.wsgi --bind 127.0.0.1:$PORT",
        "",
        "/healthz/",
    ),
    (
        "Node, direct",
        {
            "package.json": '{"scripts": {"start": "node server.js"}}',
            "server.js": 'app.get("/livez"); app.get("/readyz")',
        },
        "node server.js",
        "/livez",
        "/readyz",
    ),
    ("Node, npm", {"package.json": '{"scripts": {"start": "next start"}}'}, "npm start", "", ""),
    (
        "Procfile before all",
        {
            "Procfile": "worker: x\nweb: gunicorn app:app -b :${PORT:-5000}\n",
            "app.py": FLASK,
            ".venv/bin/gunicorn": PROGRAM,
        },
        ".venv/bin/gunicorn app:app -b :$PORT",
        "",
        "",
    ),
    (
        "Procfile with a shell line",
        {"Procfile": "web: ./migrate && exec ./serve 'x'\n"},
        "sh -c './migrate && exec ./serve '\\''x'\\'''",
        "",
        "",
    ),
    (
        "Rails",
        {"bin/rails": PROGRAM, "config.ru": ""},
        "bin/rails server -b 127.0.0.1 -p $PORT",
        "",
        "/up",
    ),
    ("Go", {"go.mod": "module x", "main.go": 'h("/health")'}, "go run .", "", "/health"),
    (
        "pages",
        {"www/index.html": "hello", "public/style.css": ""},
        "python3 -m http.server --bind 127.0.0.1 --directory www $PORT",
        "",
        "/",
    ),
    (
        "built pages, and what they were built from",
        {"dist/index.html": "hello", "index.html": "<script src=main.ts>"},
        "python3 -m http.server --bind 127.0.0.1 --directory dist $PORT",
        "",
        "/",
    ),
    (
        "our own health",
        {"shop.py": FASTAPI + "from dreamnet.health import Health\n", ".venv/bin/uvicorn": PROGRAM},
        ".venv/bin/uvicorn shop:app --host 127.0.0.1 --port $PORT",
        "/health/live",
        "/health/ready",
    ),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty app folder with every program that is not its own on PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("node", "npm", "go", "python3", "sh"):
        make(programs / name, PROGRAM)
    monkeypatch.setenv("PATH", str(programs))
    home = tmp_path / "My Shop"
    home.mkdir()
    monkeypatch.chdir(home)
    return home


def make(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n" if text == PROGRAM else text)
    file.chmod(0o755 if text == PROGRAM else 0o644)


def run(*args: str) -> Result:
    return CliRunner().invoke(init, list(args), catch_exceptions=False)


@pytest.mark.parametrize(
    ("files", "command", "live", "ready"),
    [case[1:] for case in SAMPLES],
    ids=[case[0] for case in SAMPLES],
)
def test_the_file_of_a_sample_app_says_how_to_run_it_and_loads(
    folder: Path, files: dict[str, str], command: str, live: str, ready: str
) -> None:
    for name, text in files.items():
        make(folder / name, text)
    result = run()
    assert result.exit_code == 0
    assert "Next: dreamnet up" in result.output
    service = load_settings(folder / "dreamnet.toml").services["my-shop"]
    assert service.run == command
    assert service.route is not None
    assert service.route.host == "my-shop.localhost"
    written = tomllib.loads((folder / "dreamnet.toml").read_text())["services"]["my-shop"]
    assert written["health"] == {k: v for k, v in (("live", live), ("ready", ready)) if v}


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("file", "mend"), [("index.html", "move the pages into public/"), ("notes.txt", "Procfile")]
)
def test_a_folder_is_never_served_with_settings_and_secrets_in_it(
    folder: Path, file: str, mend: str, flags: tuple[str, ...]
) -> None:
    make(folder / file, "hello")
    with pytest.raises(NotFound, match=mend):
        run(*flags)
    assert not (folder / "dreamnet.toml").exists()


def test_pages_that_are_a_link_to_their_parent_are_not_served(folder: Path) -> None:
    make(folder / "index.html", "hello")
    (folder / "public").symlink_to(".")
    (folder / "www").symlink_to("..")
    make(folder.parent / "index.html", "hello")
    with pytest.raises(NotFound):
        run()


def test_every_setting_that_is_shown_as_a_comment_loads_too(folder: Path) -> None:
    make(folder / ".env", "A=1\n")
    make(folder / "Procfile", "web: sh serve\n")
    run()
    file = folder / "dreamnet.toml"
    text = re.sub(r"^# (\w+ = .*|\[.*\])$", r"\1", file.read_text(), flags=re.MULTILINE)
    file.write_text(text)
    assert load_settings(file).services["my-shop"].env.sources == ["dotenv:.env"]
    shown = tomllib.loads(text)
    assert set(shown) == {"services", "node", "gateway", "heal", "reef", "retention"}


def test_a_file_that_is_there_is_kept(folder: Path) -> None:
    make(folder / "dreamnet.toml", "mine")
    make(folder / "Procfile", "web: sh serve\n")
    with pytest.raises(Conflict, match="--force"):
        run()
    assert (folder / "dreamnet.toml").read_text() == "mine"
    assert run("--force").exit_code == 0
    assert load_settings(folder / "dreamnet.toml").services
    assert {one.name for one in folder.iterdir()} == {"Procfile", "dreamnet.toml"}


def test_a_dry_run_shows_the_file_and_writes_nothing(folder: Path) -> None:
    make(folder / "Procfile", "web: sh serve\n")
    result = run("--dry-run")
    assert tomllib.loads(result.output)["services"]["my-shop"]["run"]
    assert [one.name for one in folder.iterdir()] == ["Procfile"]


def test_json_says_what_was_found(folder: Path) -> None:
    make(folder / "shop.py", FASTAPI)
    answer = json.loads(run("--json").output)
    assert answer["written"] is True
    assert answer["kind"] == "FastAPI"
    assert answer["next"] == "dreamnet up"
    assert answer["complaints"][0]["where"].startswith("dreamnet.toml:")
    assert tomllib.loads(answer["text"])


def test_a_program_that_is_not_installed_is_told_at_once(folder: Path) -> None:
    make(folder / "shop.py", FASTAPI)
    result = run()
    assert 'no program "uvicorn"' in result.output
    assert "mend that, then dreamnet up" in result.output


def test_help_has_an_example() -> None:
    assert "dreamnet init && dreamnet up" in run("--help").output


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("My_Shop 2", "my-shop-2"),
        ("9lives", "lives"),
        ("gateway", "app"),
        ("ü", "app"),
        ("x" * 60, "x" * 40),
    ],
)
def test_a_service_is_named_after_its_folder(tmp_path: Path, name: str, service: str) -> None:
    assert service_name(tmp_path / name) == service


def test_strange_files_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path / "broken.py", "app = FastAPI(\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\x00FastAPI")
    make(tmp_path / "package.json", '["scripts"]')
    (tmp_path / "loop").symlink_to(tmp_path)
    make(tmp_path / "public" / "index.html", "hello")
    assert detect(tmp_path).kind == "a folder of files"
