"""Log files: rotation that loses nothing a reader can see, and reading from the end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from platform_stage import GRACE, staged, until

from dreamnet.drivers.platforms.logfile import LONGEST_LINE, LineCutter, LogFile
from dreamnet.drivers.platforms.logfolder import LogFolder
from dreamnet.model.instances import InstanceId
from dreamnet.model.services import LogLimits, ServiceName, Slot
from tests.faultfs import fill, small_disk

LIMITS = LogLimits(max_bytes=10_000, keep=2)


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "shop" / "1.log", LIMITS)


def append(log: LogFile, data: bytes) -> None:
    with os.fdopen(log.open_for_append(), "wb") as file:
        file.write(data)


def numbered(first: int, last: int) -> bytes:
    return b"".join(f"{number:09}\n".encode() for number in range(first, last))


def test_a_file_within_its_limit_is_left_alone(log: LogFile) -> None:
    append(log, b"x" * LIMITS.max_bytes)
    assert not log.rotate()


def test_rotation_keeps_the_newest_files_and_the_applications_handle_works(log: LogFile) -> None:
    with os.fdopen(log.open_for_append(), "wb", buffering=0) as application:
        for turn in range(4):
            application.write(numbered(turn * 1100, turn * 1100 + 1100))
            assert log.rotate()
        application.write(b"last\n")
    names = sorted(each.name for each in log.path.parent.iterdir())
    assert names == ["1.log", "1.log.1", "1.log.2"]
    assert log.path.read_bytes() == b"last\n"
    assert log.path.with_name("1.log.1").read_bytes() == numbered(3300, 4400)
    assert {each.stat().st_mode & 0o777 for each in log.path.parent.iterdir()} == {0o600}


def test_the_tail_spans_rotations(log: LogFile) -> None:
    for turn in range(3):
        append(log, numbered(turn * 1100, turn * 1100 + 1100))
        log.rotate()
    append(log, b"end")
    data, _ = log.tail(1500)
    assert data == numbered(3300 - 1499, 3300) + b"end"
    assert log.tail(1)[0] == b"end"
    assert log.tail(0)[0] == b""


def test_a_reader_misses_nothing_over_rotations(log: LogFile) -> None:
    append(log, b"before\n")
    _, position = log.tail(1)
    seen = b""
    for turn in range(4):
        append(log, numbered(turn * 1100, turn * 1100 + 1100))
        log.rotate()
        data, position = log.read(position)
        seen += data
    assert seen == numbered(0, 4400)


def test_a_reader_that_slept_through_all_goes_on_with_what_is_there(log: LogFile) -> None:
    for _ in range(5):
        append(log, b"x" * 20_000)
        log.rotate()
    data, position = log.read(0)
    assert len(data) == 40_000
    assert log.read(position) == (b"", position)


def test_the_tail_of_a_big_file_reads_only_its_end(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "big.log", LogLimits())
    append(log, b"x" * 3_000_000)
    assert len(log.tail(5)[0]) < 2_000_000


def test_an_absent_file_is_empty(log: LogFile) -> None:
    assert log.tail(5) == (b"", 0)
    assert log.read(7) == (b"", 0)
    assert not log.rotate()


def test_a_rotation_that_fails_does_not_let_the_file_grow_for_ever(log: LogFile) -> None:
    append(log, b"x" * (LIMITS.max_bytes * 2 + 1))
    log.path.with_name("1.log.draft").mkdir()
    assert log.rotate()
    assert log.path.stat().st_size == 0


def test_on_a_full_disk_old_lines_give_way_to_the_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        log = LogFile(disk / "a.log", LogLimits(max_bytes=1_000_000, keep=3))
        append(log, b"x" * 1_100_000)
        for number in (1, 2):
            log.path.with_name(f"a.log.{number}").write_bytes(b"o" * 500_000)
        fill(disk)
        log.rotate()
        left = sorted(one.name for one in disk.glob("a.log*"))
        assert left == ["a.log", "a.log.1"], "the oldest went first"
        fill(disk)
        log.rotate()
        fill(disk)
        log.rotate()
        assert log.path.stat().st_size == 0, "at last its own lines"


@given(
    st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")), max_size=20),
    st.integers(1, 50),
)
def test_lines_are_the_same_in_whatever_pieces_they_come(lines: list[bytes], size: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    cutter = LineCutter()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    out = [line for piece in pieces for line in cutter.feed(piece)]
    assert out == [line.removesuffix(b"\r").decode(errors="replace") for line in lines]
    assert cutter.flush() == []


@given(st.integers(1, 7000))
def test_a_long_line_is_cut_once(size: int) -> None:
    data = b"a" * (LONGEST_LINE * 2) + b"\nnext\nlast"
    cutter = LineCutter()
    out = [line for at in range(0, len(data), size) for line in cutter.feed(data[at : at + size])]
    assert out == ["a" * LONGEST_LINE + " …", "next"]
    assert cutter.flush() == ["last"]


def test_a_slot_keeps_the_newest_logs_and_those_of_the_living(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path)
    for number in range(6):
        instance = InstanceId(f"shop-1-{number}")
        log = LogFile(folder.file(ServiceName("shop"), Slot(1), instance), LIMITS)
        append(log, numbered(0, 1100))
        log.rotate()
    other = folder.file(ServiceName("shop"), Slot(11), InstanceId("shop-11-0"))
    other.touch()
    folder.prune(ServiceName("shop"), Slot(1), 2, {"shop-1-0"})
    left = {each.name for each in (tmp_path / "shop").glob("*.log")}
    assert left == {"1.shop-1-0.log", "1.shop-1-4.log", "1.shop-1-5.log", other.name}
    assert not list((tmp_path / "shop").glob("1.shop-1-2.*"))
    assert folder.find(InstanceId("shop-1-0")) is not None
    assert folder.find(InstanceId("../*")) is None


async def test_following_a_real_instance_over_rotations_misses_nothing(tmp_path: Path) -> None:
    code = (
        "import time\nfor n in range(6000):\n print(f'{n:09}')\n"
        " if n % 300 == 0: time.sleep(0.12)\nprint('ready')"
    )
    async with staged(tmp_path) as stage:
        started = await stage.python_logging(code, LIMITS)
        async with asyncio.timeout(30):
            lines = [each async for each in stage.platform.logs(started.id, lines=9, follow=True)]
        numbers = [line for line in lines if line != "ready"]
        first = int(numbers[0])
        assert numbers == [f"{n:09}" for n in range(first, 6000)]
        assert first < 300
        assert list((tmp_path / "logs" / "shop").glob("*.log.1"))
        await stage.platform.stop(started.id, GRACE)
        assert (await stage.lines(started.id))[-1] == "ready"


async def test_invalid_text_and_an_unfinished_last_line(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        started = await stage.start(r"printf 'a\377b\nunfinished'")
        await stage.until_exited(started.id)
        assert await stage.lines(started.id) == ["a\ufffdb", "unfinished"]


async def test_forgetting_prunes_the_logs_of_a_slot(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        for number in range(4):
            started = await stage.start("true", key=str(number), logs=LIMITS)
            await stage.until_exited(started.id)
            await stage.platform.forget(started.id)
        await until(lambda: len(list((tmp_path / "logs" / "shop").iterdir())) == 2)
