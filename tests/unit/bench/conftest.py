"""Makes the `bench` package importable, which is not part of the installed product."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))


@pytest.fixture(autouse=True)
def _bench_in_subprocesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `python -m bench.stubs` find the package from any working directory."""
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), path])))
