"""How many files DreamNet and those it starts may open, on real processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dreamnet.kernel.filelimit import (
    FILE_LIMIT_VARIABLE,
    file_limit_of_services,
    give_back_file_limit,
)

RAISE = """
import resource
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
from dreamnet.kernel.filelimit import raise_file_limit
print(raise_file_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], hard)
"""


def test_a_process_takes_all_it_may_and_knows_what_it_had() -> None:
    said = subprocess.run(
        [sys.executable, "-c", RAISE], capture_output=True, text=True, check=True
    ).stdout.split()
    assert said[0] == "256"
    assert said[1] == str(min(int(said[2]), 1_048_576)) if said[2] != "-1" else "1048576"


@pytest.mark.parametrize("told", ["", "-1", "many"])
def test_without_a_number_nothing_is_given_back(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_LIMIT_VARIABLE, told)
    assert file_limit_of_services() is None
    give_back_file_limit(0)  # pid 0 is this very process: it must not be touched


def test_a_child_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_LIMIT_VARIABLE, "256")
    child = subprocess.Popen(["true"])
    child.wait()
    give_back_file_limit(child.pid)
