"""Lets processes that the tests start find `bench`, which is not part of the installed product."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _bench_in_subprocesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `python -m bench.stubs` find the package from any working directory."""
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), path])))
