"""A backup is whole or refused, and what was backed up comes back on either database."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import shutil
import sqlite3
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from backing import NOW, content, fill, where, without_restore, write_site

from dreamnet.app.archive import Manifest, pack, part_of
from dreamnet.app.backup import _without_secrets, make_backup, verify_backup
from dreamnet.app.datadir import DataDir, Taken
from dreamnet.app.offline import verify_ledger
from dreamnet.app.restore import restore_backup
from dreamnet.drivers.store.place import prepare_file
from dreamnet.kernel.errors import Conflict, Corrupt, NotFound, UserError
from tests.postgres import postgres_database, postgres_server, postgres_url

__all__ = ["postgres_database", "postgres_server", "postgres_url"]

KINDS = ["sqlite", "postgresql"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    file = write_site(tmp_path / "old")
    fill(file)
    return file


def listing(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


# -- there and back, on each database


@pytest.mark.parametrize(("source", "target"), list(itertools.product(KINDS, KINDS)))
def test_everything_comes_back_on_either_database(
    source: str, target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    def store(kind: str) -> str:
        return str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else ""

    old = write_site(tmp_path / "old", store(source))
    fill(old)
    before = content(old)
    made = make_backup(old, None, NOW)
    assert made.manifest.ledger_rows == len(before["ledger"]) >= 600
    assert made.manifest.database == source
    with zipfile.ZipFile(made.file) as archive:
        assert b"postgresql" not in archive.read("dreamnet.toml"), "no password leaves"

    new = write_site(tmp_path / "new", store(target))
    if source == target == "postgresql":
        fill(new, "xyz", 5)  # the same database: it holds more by now
        with pytest.raises(Conflict, match="a store already"):
            restore_backup(made.file, new, NOW, force=False)
    done = restore_backup(made.file, new, NOW, force=source == target == "postgresql")
    assert without_restore(content(new)) == before
    assert asyncio.run(verify_ledger(new)).broken_at is None
    if done.kept is not None:
        assert verify_backup(done.kept).manifest.ledger_rows > made.manifest.ledger_rows
    fill(new, "de", 1)  # what is counted goes on counting


def test_a_restore_is_told_in_the_ledger(old: Path, tmp_path: Path) -> None:
    made = make_backup(old, tmp_path / "b.zip", NOW)
    new = write_site(tmp_path / "new")
    restore_backup(made.file, new, NOW, force=False)
    last = content(new)["ledger"][-1]
    assert last["kind"] == "store-restored"
    assert made.manifest.made.isoformat() in last["body"]


# -- what a backup is


def test_a_backup_and_its_parts_are_its_owners_alone(old: Path, tmp_path: Path) -> None:
    made = make_backup(old, tmp_path / "deep" / "b.zip", NOW)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.file.parent.stat().st_mode) == 0o700
    new = write_site(tmp_path / "new")
    restore_backup(made.file, new, NOW, force=False)
    database = where(new)
    assert isinstance(database, Path)
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_secrets_in_the_settings_stay_here(old: Path) -> None:
    text = old.read_text().replace('store = ""', 'store = "postgresql://u:hunter-22@h/d" # mine')
    kept, removed = _without_secrets(text, old)
    assert removed == ("node.store",)
    assert kept == text.replace("postgresql://u:hunter-22@h/d", "")
    escaped = text.replace("hunter", "hunt\\u0065r")
    assert _without_secrets(escaped, old) == ("", ("node.store",)), "rather none than a secret"


def test_a_watched_url_with_credentials_stays_here_another_does_not(old: Path) -> None:
    table = '[services.bank]\nwatch = "https://me:hunter-22@bank.example/"\n'
    table += '[services.mail.watch]\nurl = "https://mail.example/?key=s-33"\nstatus = 200\n'
    table += '[services.open]\nwatch = "https://open.example/health"\n'
    kept, removed = _without_secrets(old.read_text() + table, old)
    assert removed == ("services.bank.watch", "services.mail.watch")
    assert "hunter-22" not in kept
    assert "s-33" not in kept
    assert 'watch = "https://open.example/health"' in kept


def test_a_backup_is_replaced_and_nothing_else_is(old: Path, tmp_path: Path) -> None:
    file = make_backup(old, tmp_path / "b.zip", NOW).file
    fill(old, "d")
    again = make_backup(old, file, NOW)
    assert verify_backup(file).manifest == again.manifest
    mine = tmp_path / "mine.zip"
    mine.write_text("my thesis")
    with pytest.raises(Conflict, match="is no backup"):
        make_backup(old, mine, NOW)
    assert mine.read_text() == "my thesis"
    named = make_backup(old, tmp_path, NOW).file
    assert named == tmp_path / "dreamnet-20261125-031500.zip"


def test_a_root_that_has_not_said_who_it_is_is_not_restored_under(
    old: Path, tmp_path: Path
) -> None:
    file = make_backup(old, None, NOW).file
    new = write_site(tmp_path / "new")
    lock = tmp_path / "new" / ".dreamnet" / "root.lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="pid unknown"):
            restore_backup(file, new, NOW, force=False)


def test_no_store_is_told_and_none_is_made(tmp_path: Path) -> None:
    file = write_site(tmp_path / "new")
    with pytest.raises(NotFound, match="no store yet"):
        make_backup(file, None, NOW)
    database = where(file)
    assert isinstance(database, Path)
    assert not database.exists()
    prepare_file(database)
    with pytest.raises(NotFound, match="no store of DreamNet"):
        make_backup(file, None, NOW)


def test_a_damaged_store_is_no_backup(old: Path, tmp_path: Path) -> None:
    database = where(old)
    assert isinstance(database, Path)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE ledger SET subject = 'other' WHERE seq = 2")
    connection.close()
    with pytest.raises(Corrupt, match="broken at row 2"):
        make_backup(old, tmp_path / "b.zip", NOW)
    with database.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(40000))
    with pytest.raises(Corrupt, match="damaged"):
        make_backup(old, tmp_path / "b.zip", NOW)
    assert not (tmp_path / "b.zip").exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["old"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("platform: a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_nothing_behind(old: Path, small_disk: Path) -> None:
    with pytest.raises(UserError, match="No space left") as caught:
        make_backup(old, small_disk / "b.zip", NOW)
    assert caught.value.complaints[0].where == str(small_disk)
    assert list(small_disk.iterdir()) == []


# -- what is refused


def damage(file: Path, how: str) -> None:
    raw = bytearray(file.read_bytes())
    if how == "cut":
        del raw[len(raw) // 2 :]
    elif how == "flipped":
        raw[len(raw) // 2] ^= 0xFF
    elif how == "empty":
        raw.clear()
    else:
        raw[:] = b"this was never a backup " * 100
    file.write_bytes(raw)


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_backup_changes_nothing(old: Path, tmp_path: Path, how: str) -> None:
    file = make_backup(old, tmp_path / "b.zip", NOW).file
    damage(file, how)
    with pytest.raises((Corrupt, UserError), match=r"damaged|no backup of DreamNet"):
        verify_backup(file)
    before = listing(old.parent)
    with pytest.raises((Corrupt, UserError)):
        restore_backup(file, old, NOW, force=True)
    after = listing(old.parent)
    after.pop(str(old.parent / ".dreamnet" / "node.lock"))
    assert after == before
    with pytest.raises((Corrupt, UserError)):
        restore_backup(file, tmp_path / "new.toml", NOW, force=False)
    assert not (tmp_path / "new.toml").exists()


def test_a_store_changed_in_a_whole_archive_is_found(old: Path, tmp_path: Path) -> None:
    """Whoever repacks a backup with right checksums still has to forge the ledger's chain."""
    file = make_backup(old, tmp_path / "b.zip", NOW).file
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    with sqlite3.connect(folder / "dreamnet.db") as connection:
        connection.execute("UPDATE ledger SET body = '{}' WHERE seq = 5")
    connection.close()
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    parts = manifest.parts | {"dreamnet.db": part_of(folder / "dreamnet.db")}
    pack(folder, manifest.model_copy(update={"parts": parts}), file)
    with pytest.raises(Corrupt, match="broken at row 5"):
        verify_backup(file)


def test_a_backup_of_a_newer_dreamnet_is_named(old: Path, tmp_path: Path) -> None:
    file = make_backup(old, tmp_path / "b.zip", NOW).file
    newer = tmp_path / "newer.zip"
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(newer, "w") as out:
        for name in archive.namelist():
            raw = archive.read(name)
            out.writestr(name, raw.replace(b'"format": 1', b'"format": 2, "new": true'))
    with pytest.raises(UserError, match="newer DreamNet"):
        verify_backup(newer)


def test_a_store_is_replaced_only_by_force_and_kept(old: Path, tmp_path: Path) -> None:
    made = make_backup(old, tmp_path / "b.zip", NOW)
    before = content(old)
    fill(old, "d", 3)
    later = content(old)
    with pytest.raises(Conflict, match="a store already"):
        restore_backup(made.file, old, NOW, force=False)
    assert content(old) == later
    kept = [restore_backup(made.file, old, NOW, force=True).kept for _ in range(2)]
    assert without_restore(content(old)) == before
    assert None not in kept
    assert len(set(kept)) == 2, "two restores in one second keep two stores"
    aside = write_site(tmp_path / "aside")
    (aside.parent / ".dreamnet").mkdir()
    shutil.copy(str(kept[0]), aside.parent / ".dreamnet" / "dreamnet.db")
    assert content(aside) == later


def test_a_log_that_a_kill_left_never_meets_the_restored_store(old: Path, tmp_path: Path) -> None:
    """kill -9 leaves `-wal`; SQLite would write its pages into whatever has the name next."""
    made = make_backup(old, tmp_path / "b.zip", NOW)
    expected = content(old)
    database = where(old)
    assert isinstance(database, Path)
    script = (
        "import sqlite3, os, signal, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('UPDATE services SET wanted = 99'); c.commit();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run(["python3", "-c", script, database], check=False)
    log = database.with_name("dreamnet.db-wal")
    assert log.stat().st_size > 0
    shutil.copytree(old.parent, tmp_path / "orphan")
    kept = restore_backup(made.file, old, NOW, force=True).kept
    assert without_restore(content(old)) == expected
    assert kept is not None
    with sqlite3.connect(kept) as connection:
        assert connection.execute("SELECT min(wanted) FROM services").fetchone() == (99,)
    connection.close()
    # and where somebody removed the store but not its log
    orphan = tmp_path / "orphan" / "dreamnet.toml"
    (tmp_path / "orphan" / ".dreamnet" / "dreamnet.db").unlink()
    restore_backup(made.file, orphan, NOW, force=False)
    assert without_restore(content(orphan)) == expected


def test_a_damaged_store_is_replaced_and_kept(old: Path, tmp_path: Path) -> None:
    made = make_backup(old, tmp_path / "b.zip", NOW)
    expected = content(old)
    database = where(old)
    assert isinstance(database, Path)
    damage(database, "foreign")
    raw = database.read_bytes()
    kept = restore_backup(made.file, old, NOW, force=True).kept
    assert kept is not None
    assert kept.read_bytes() == raw
    assert without_restore(content(old)) == expected


def test_nothing_is_restored_beside_a_node(old: Path, tmp_path: Path) -> None:
    made = make_backup(old, tmp_path / "b.zip", NOW)
    data = DataDir(old.parent / ".dreamnet")
    with data.held(), pytest.raises(Taken):
        restore_backup(made.file, old, NOW, force=True)
    data.write_record("http://127.0.0.1:1", "0", NOW)
    with pytest.raises(Conflict, match=f"DreamNet runs here .pid {os.getpid()}."):
        restore_backup(made.file, old, NOW, force=True)


def test_settings_come_from_the_backup_only_where_there_are_none(old: Path, tmp_path: Path) -> None:
    made = make_backup(old, tmp_path / "b.zip", NOW)
    new = tmp_path / "new" / "dreamnet.toml"
    new.parent.mkdir()
    done = restore_backup(made.file, new, NOW, force=False)
    assert done.settings_written
    assert new.read_text() == old.read_text()
    new.write_text(new.read_text() + "# mine\n")
    assert not restore_backup(made.file, new, NOW, force=True).settings_written
    assert new.read_text().endswith("# mine\n")
