"""What stands apart needs the standard library only, and every contract can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from house import ROOT, SOURCE

APART = ("health", "client", "root", "room")

# One forbidden import for each contract of .importlinter: (module, line to add, contract).
_CRIMES = {
    "floors": ("kernel/crime.py", "import dreamnet.model.services"),
    "circles": ("model/crime.py", "import dreamnet.model.guilt"),
    "testing": ("web/crime.py", "import dreamnet.testing"),
    "command": ("testing/crime.py", "import dreamnet.cli"),
    "drivers-independent": ("drivers/bus/crime.py", "import dreamnet.drivers.store"),
    "drivers-concrete": ("agents/crime.py", "import dreamnet.drivers.store"),
    "gateway": ("agents/crime.py", "import dreamnet.drivers.gateway.base"),
    "keepers": ("agents/envkeeper.py", "import dreamnet.agents.weaver"),
    "reef": ("agents/crime.py", "import dreamnet.domain.reef"),
    "domain-parts": ("domain/dreams/crime.py", "import dreamnet.domain.traffic"),
    "pure": ("domain/dreams/crime.py", "import random"),
    "settings": ("domain/dreams/crime.py", "import dreamnet.model.settings"),
    "apart": ("health/crime.py", "import dreamnet.model.services"),
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("dreamnet", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("part", [name for name in APART if list(SOURCE.glob(f"{name}*"))])
def test_stands_on_the_standard_library(graph: grimp.ImportGraph, part: str) -> None:
    name = f"dreamnet.{part}"
    own = {name, *graph.find_descendants(name)}
    reached = set().union(*(graph.find_upstream_modules(module) for module in own))
    foreign = {
        module
        for module in reached
        if not module.startswith("dreamnet") and module not in sys.stdlib_module_names
    }
    assert foreign == set()


def _lint(folder: Path) -> str:
    """Return what the import linter says about the copy in `folder`."""
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
         "--no-cache", "--config", str(folder / ".importlinter")],
        cwd=folder, env={"PYTHONPATH": str(folder / "src"), "PATH": "", "COLUMNS": "200"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return run.stdout + run.stderr


def test_every_contract_can_fail(tmp_path: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE, tmp_path / "src" / "dreamnet", ignore=ignore)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / "src/dreamnet/model/guilt.py").write_text("import dreamnet.model.crime\n")
    for file, line in _CRIMES.values():
        with (tmp_path / "src/dreamnet" / file).open("a") as module:
            module.write(f"\n{line}\n")
    said = _lint(tmp_path)
    kept = [line for line in said.splitlines() if line.rstrip().endswith("KEPT")]
    assert kept == [], said
    assert f"0 kept, {len(_CRIMES)} broken" in said, said
