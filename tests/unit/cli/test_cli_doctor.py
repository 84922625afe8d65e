"""`dreamnet doctor` as a person and a script see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamnet.kernel.ports import free_port

Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    listen = '[{}]\nlisten = "127.0.0.1:{}"\n'
    tables = listen.format("node", free_port()) + listen.format("gateway", free_port())
    (tmp_path / "dreamnet.toml").write_text(tables + '[services.shop]\nrun = "sleep 60"\n')
    return tmp_path


def test_nothing_wrong_is_0_and_nothing_is_made(folder: Path, run: Run) -> None:
    said = run("doctor")
    assert said.code == 0
    assert "0 failed, 0 warned" in said.err
    assert [one.name for one in folder.iterdir()] == ["dreamnet.toml"]


def test_a_warning_is_0(folder: Path, run: Run) -> None:
    assert run("halt", "--reason", "a \x1b[2Jtest").code == 0
    said = run("doctor")
    assert said.code == 0
    assert "1 warned" in said.err
    assert "mend: dreamnet resume" in said.out
    assert "\x1b" not in said.out


def test_a_failure_is_1_with_where_and_mend(folder: Path, run: Run) -> None:
    (folder / "dreamnet.toml").write_text("[nodes]\n")
    said = run("doctor", "--json")
    assert said.code == 1
    assert said.json["ok"] is False
    failed = [one for one in said.json["findings"] if one["level"] == "fail"]
    assert said.json["fail"] == len(failed) > 0
    assert all(one["name"] == "settings" and one["where"] and one["mend"] for one in failed)


def test_without_settings_the_machine_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run("doctor", "--json")
    assert said.code == 1
    levels = {one["name"]: one["level"] for one in said.json["findings"]}
    assert levels["settings"] == "fail"
    assert levels["python"] == levels["envoy"] == "ok"
