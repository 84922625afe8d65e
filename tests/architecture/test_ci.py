"""One test command for everyone: the README, `make` and CI name the same one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from house import ROOT

_CI = ROOT / ".ci" / "run"
_SKIPPED = """
import pytest

{marker}
def test_story():
    pass
"""


def _targets() -> dict[str, str]:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([a-z-]+):[^#]*(?:## (.*))?$", line) for line in lines)
    return {match[1]: match[2] or "" for match in found if match}


def test_every_target_is_explained() -> None:
    assert [name for name, words in _targets().items() if not words] == []


def test_help_lists_every_target() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [name for name in _targets() if f"make {name} " not in said.stdout] == []


def test_ci_runs_what_the_readme_says() -> None:
    assert os.access(_CI, os.X_OK)
    assert re.search(r"^\s*make test\b", _CI.read_text(encoding="utf-8"), re.MULTILINE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if readme.strip():
        assert "make test" in readme


@pytest.mark.parametrize("script", [".ci/run", "tools/setup.sh"])
def test_scripts_parse(script: str) -> None:
    shell = "bash" if script.startswith(".ci") else "sh"
    subprocess.run([shell, "-n", str(ROOT / script)], check=True)


@pytest.mark.parametrize(("code", "word"), [(0, "passed"), (3, "failed with exit code")])
def test_ci_ends_with_the_runners_exit_code(tmp_path: Path, code: int, word: str) -> None:
    """A copy of the script whose `make` fails or passes, with everything else installed."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(_CI, tmp_path / ".ci" / "run")
    (tmp_path / "Makefile").write_text(
        f'test:\n\t@echo "CI is $$CI"\n\t@echo "=== 3 passed in 1s ==="\n\t@exit {code}\n'
    )
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    for name in ("git", "postgres"):
        (fakes / name).write_text("#!/bin/sh\n")
        (fakes / name).chmod(0o755)
    run = subprocess.run(
        [tmp_path / ".ci" / "run"],
        env={**os.environ, "PATH": f"{fakes}:{os.environ['PATH']}", "CI": "false"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.returncode == 0) == (code == 0), run.stdout + run.stderr
    assert "CI is true" in run.stdout
    assert "3 passed" in run.stdout.partition("== summary")[2]
    assert word in run.stdout


def _run_skip(tmp_path: Path, marker: str, ci: str) -> int:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_story.py").write_text(_SKIPPED.format(marker=marker))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "."],
        cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, timeout=60, check=False,
    ).returncode  # fmt: skip


@pytest.mark.parametrize(
    ("marker", "ci", "code"),
    [
        ('@pytest.mark.skip(reason="no postgres here")', "true", 1),
        ('@pytest.mark.skip(reason="no postgres here")', "", 0),
        ('@pytest.mark.skip(reason="platform: macOS only")', "true", 0),
        ('pytest.importorskip("a_tool_that_is_absent")', "true", 2),
        ('@pytest.mark.xfail(reason="known", strict=False)', "true", 0),
    ],
)
def test_ci_skips_nothing(tmp_path: Path, marker: str, ci: str, code: int) -> None:
    assert _run_skip(tmp_path, marker, ci) == code
