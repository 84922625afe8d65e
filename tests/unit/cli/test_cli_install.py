"""The unit that `dreamnet install` writes is one that systemd accepts, whatever the paths are."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamnet.app.unit import Unit, render
from dreamnet.kernel.errors import UserError

Run = Callable[..., Any]
STRANGE = "my shop %h $HOME 'a' \"b\" \\n; ä"


@pytest.fixture(params=["shop", STRANGE])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / request.param
    made.mkdir()
    (made / "dreamnet.toml").write_text('[services.shop]\nrun = "sleep 60"\ngrace = "90s"\n')
    monkeypatch.chdir(made)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def setting(text: str, name: str) -> str:
    [found] = [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{name}=")]
    return found


@pytest.mark.parametrize("scope", ["--user", "--system"])
def test_systemd_accepts_the_unit(folder: Path, run: Run, tmp_path: Path, scope: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    said = run("install", "--print", *([scope] if scope == "--user" else []))
    file = tmp_path / "dreamnet-test.service"
    file.write_text(said.out)
    verify = [analyze, "verify", "--man=no", *([scope] if scope == "--user" else []), str(file)]
    done = subprocess.run(
        verify, capture_output=True, text=True, check=False, env={"XDG_RUNTIME_DIR": str(tmp_path)}
    )
    ours = [line for line in done.stderr.splitlines() if "dreamnet-test" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_the_unit_says_what_a_keeper_of_services_needs(folder: Path, run: Run) -> None:
    text = run("install", "--print").out
    assert setting(text, "KillMode") == "process", "services outlive a killed root"
    assert setting(text, "Restart") == "on-failure"
    assert setting(text, "OOMPolicy") == "continue"
    assert int(setting(text, "LimitNOFILE")) >= 65536
    assert int(setting(text, "TimeoutStopSec")) > 90 + 40, "longer than the longest grace takes"
    assert "MemoryMax" not in text
    own = run("install", "--print", "--user").out
    assert "User=" not in own
    assert setting(own, "WantedBy") == "default.target"


def test_installing_twice_changes_nothing_and_removing_takes_it_away(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    units = tmp_path / "config" / "systemd" / "user"
    assert "would be written" in run("install", "--user", "--dry-run").out
    assert not units.exists()
    assert run("install", "--user", "--json").json["done"] == "written"
    [unit] = units.iterdir()
    before = unit.stat().st_mtime_ns
    assert run("install", "--user", "--json").json["done"] == "nothing to do"
    assert unit.stat().st_mtime_ns == before
    (folder / "dreamnet.toml").write_text('[services.shop]\nrun = "sleep 60"\ngrace = "5m"\n')
    assert run("install", "--user", "--json").json["done"] == "replaced"
    assert run("install", "--user", "--remove", "--json").json["done"] == "removed"
    assert list(units.iterdir()) == []
    assert run("install", "--user", "--remove", "--json").json["done"] == "nothing to do"


def test_a_foreign_unit_is_never_touched(folder: Path, run: Run) -> None:
    unit = Path(run("install", "--user", "--dry-run", "--json").json["unit"])
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/mine\n")
    for arguments in (("install", "--user"), ("install", "--user", "--remove")):
        said = run(*arguments)
        assert said.code == 1
        assert "is not DreamNet's" in said.err
    assert unit.read_text() == "[Service]\nExecStart=/bin/mine\n"


def test_a_path_that_no_unit_can_hold_is_refused() -> None:
    unit = Unit(Path("/srv/a\nExecStart=/bin/evil/dreamnet.toml"), ("/bin/true",), {}, None, 1)
    with pytest.raises(UserError, match="unprintable"):
        render(unit)
