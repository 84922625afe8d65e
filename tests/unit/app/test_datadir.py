"""The data directory is ours alone, however it was found."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dreamnet.app.datadir import DataDir
from dreamnet.kernel.errors import UserError


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("found", "left"), [(0o755, 0o700), (0o777, 0o700), (0o2770, 0o2700), (0o700, 0o700)]
)
def test_an_open_directory_of_ours_is_shut(tmp_path: Path, found: int, left: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(found)
    DataDir(folder).create()
    assert mode_of(folder) == left


def test_a_new_one_is_shut_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        DataDir(tmp_path / "data").create()
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "data") == 0o700


def test_a_link_shuts_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    DataDir(tmp_path / "data").create()
    assert mode_of(tmp_path / "disk") == 0o700


def test_somebody_elses_is_refused_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a volume is: its mount point is root's, its group may write."""
    tmp_path.chmod(0o2770)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UserError) as refused:
        DataDir(tmp_path).create()
    assert "belongs to user" in str(refused.value)
    assert "a folder in it" in str(refused.value)
    assert (mode_of(tmp_path), list(tmp_path.iterdir())) == (0o2770, [])


def test_a_file_system_that_keeps_no_rights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    with pytest.raises(UserError, match="keeps no rights"):
        DataDir(tmp_path).create()
