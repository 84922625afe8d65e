"""Files are written whole, for their owner only, and durably where that is asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dreamnet.kernel.files import write_whole


@pytest.mark.parametrize(("durable", "syncs"), [(True, 2), (False, 0)])
def test_a_file_is_replaced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool, syncs: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    file = tmp_path / "file.json"
    file.write_text("old")
    write_whole(file, "new ü", durable=durable)
    assert file.read_text(encoding="utf-8") == "new ü"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["file.json"]
    assert len(synced) == syncs


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_file_is_its_owners_alone_whatever_lay_there(tmp_path: Path, umask: int) -> None:
    file = tmp_path / "token"
    draft = tmp_path / f".token.{os.getpid()}"
    for one in (file, draft):
        one.write_text("old")
        one.chmod(0o666)
    before = os.umask(umask)
    try:
        write_whole(file, "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
