"""The reserve on the disk: given away when the disk is full, made anew when there is room."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dreamnet.app.reserve import AMPLE, SIZE, Reserve
from tests.faultfs import drain, fill, free_bytes, small_disk


def test_it_gives_its_room_away_on_a_full_disk_and_takes_it_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", (AMPLE + 2 * SIZE) >> 20) as disk:
        reserve = Reserve(disk)
        reserve.look()
        assert (disk / "reserve").stat().st_blocks * 512 >= SIZE, "of real blocks"
        fill(disk)
        assert free_bytes(disk) == 0
        reserve.look()
        assert free_bytes(disk) >= SIZE
        reserve.look()
        assert not (disk / "reserve").exists(), "it waits for ample room"
        drain(disk)
        reserve.look()
        assert (disk / "reserve").exists()


def test_a_small_disk_has_none(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        Reserve(disk).look()
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("refused", ["open", "posix_fallocate"])
def test_a_folder_that_may_not_be_written_has_none_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EDQUOT, "quota")

    with monkeypatch.context() as patched:
        patched.setattr("dreamnet.app.reserve.Reserve._free", lambda _: 10 * (AMPLE + SIZE))
        patched.setattr(os, refused, refuse)
        Reserve(tmp_path).look()
    assert list(tmp_path.iterdir()) == []
