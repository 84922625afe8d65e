"""The built wheel, installed alone: the library works, and the command says what it lacks."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from house import ROOT, SOURCE

_UV = Path(sys.prefix, "bin", "uv")
# Debian's own Python brings a `sitecustomize`, so only what the import adds is looked at.
_FOREIGN = """
import sys
before = set(sys.modules)
import dreamnet.health, dreamnet.client
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(roots - set(sys.stdlib_module_names) - {"dreamnet"}))
"""


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=110, check=False
    )


def _must(*command: str | Path) -> str:
    run = _run(*command)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    _must(_UV, "build", "--offline", "--wheel", "--no-build-isolation", "--python", sys.executable,
          "--out-dir", out, ROOT)  # fmt: skip
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel and nothing else."""
    place = tmp_path_factory.mktemp("alone")
    _must(sys.executable, "-m", "venv", "--without-pip", place)
    _must(_UV, "pip", "install", "--offline", "--no-deps", "--python", place / "bin/python", wheel)
    return place / "bin"


def _packed(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_package_is_inside(wheel: Path) -> None:
    files = {
        f"dreamnet/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".py"}
    }
    assert "dreamnet/py.typed" in files
    assert files <= _packed(wheel)


def test_nothing_else_is_inside(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in _packed(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dreamnet"}


def test_licence_and_notice_travel_along(wheel: Path) -> None:
    names = {name.rpartition("/")[2] for name in _packed(wheel)}
    assert {"LICENSE", "NOTICE"} <= names


def test_health_and_client_need_the_standard_library_only(alone: Path) -> None:
    assert _must(alone / "python", "-I", "-c", _FOREIGN).strip() == "[]"


@pytest.mark.parametrize("arguments", [(), ("up",), ("--help",)])
def test_the_command_says_how_to_get_the_node(alone: Path, arguments: tuple[str, ...]) -> None:
    run = _run(alone / "dreamnet", *arguments)
    assert run.returncode == 2, run.stderr
    assert run.stdout == ""
    [line] = run.stderr.splitlines()
    assert 'pip install "dreamnet[node]"' in line


def test_python_m_says_the_same(alone: Path) -> None:
    run = _run(alone / "python", "-I", "-m", "dreamnet")
    assert (run.returncode, len(run.stderr.splitlines())) == (2, 1)
