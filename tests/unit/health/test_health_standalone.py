"""Health and client need the standard library only, and little time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dreamnet.client
import dreamnet.health

SOURCE = Path(next(iter(dreamnet.health.__path__))).parents[1]
MANUAL = SOURCE.parent / "docs" / "how-to" / "health.md"

PROBE = """
import sys, time
sys.path.insert(0, {source!r})
before = time.process_time()
import {module}
spent = time.process_time() - before
roots = {{name.partition(".")[0] for name in sys.modules}}
# The floors let both use the kernel, which is the one that reads the environment.
kernel = {{"dreamnet.kernel", "dreamnet.kernel.environ"}}
ours = sorted(name for name in sys.modules if name.startswith("dreamnet.") and name not in kernel)
print(sorted(roots - set(sys.stdlib_module_names) - {{"__main__", "dreamnet"}}))
print(all(name.startswith({module!r}) for name in ours), spent)
"""


@pytest.mark.parametrize("module", ["dreamnet.health", "dreamnet.client"])
def test_it_stands_alone_and_imports_fast(module: str) -> None:
    code = PROBE.format(source=str(SOURCE), module=module)
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ran.stderr == ""
    strangers, rest = ran.stdout.splitlines()
    alone, seconds = rest.split()
    assert (strangers, alone) == ("[]", "True")
    assert float(seconds) < 1.0  # CPU time; 0.1 s on a quiet machine


@pytest.mark.parametrize("package", [dreamnet.health, dreamnet.client])
def test_every_public_name_is_in_the_manual(package: object) -> None:
    if not MANUAL.exists():
        pytest.skip("the manual is not part of an installed package")
    words = set(re.findall(r"\w+", MANUAL.read_text(encoding="utf-8")))
    assert set(package.__all__) <= words  # type: ignore[attr-defined]  # a package has __all__
