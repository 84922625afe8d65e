"""Which addresses the store accepts, and that none of its words holds a password."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dreamnet.drivers.store.place import place_of
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.errors import ConfigError, UserError

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "dreamnet.db",
        f"mysql://me:{SECRET}@host/db",
        f"postgresql+asyncpg://me:{SECRET}@host/db",
        f"postgresql://me:{SECRET}@host:{SECRET}/db",
        f"postgresql://me:{SECRET}@one:5432,two:{SECRET}/db",
        f"postgresql://me:{SECRET}@one:0,two/db",
        f"postgresql://me:{SECRET}@one,,two/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory",
        "sqlite+aiosqlite:///x.db",
        "sqlite:///x.db?timeout=1",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_a_mend(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SqlStore(url)
    assert caught.value.complaints[0].mend
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_the_shown_place_holds_no_password() -> None:
    place = place_of(f"postgresql://me:{SECRET}@db.example:5433/dream?password={SECRET}")
    assert place.shown == "PostgreSQL at db.example:5433, database dream"
    assert SECRET not in SqlStore(f"postgresql://me:{SECRET}@h/d").place
    assert SECRET not in repr(place).replace(f"password={SECRET}", "")


def test_several_hosts_are_named_and_the_writable_one_is_asked_for() -> None:
    place = place_of(f"postgresql://me:{SECRET}@one:5433,two,[::1]:5434/dream?connect_timeout=1")
    assert place.shown == "PostgreSQL at one:5433 or two:5432 or ::1:5434, database dream"
    assert place.hosts == (("one", 5433), ("two", 5432), ("::1", 5434))
    assert place.url.query["target_session_attrs"] == "read-write"
    assert place.url.password == SECRET
    wish = place_of("postgresql://me@one,two/d?target_session_attrs=any").url.query
    assert wish["target_session_attrs"] == "any"


def test_the_short_name_of_postgresql_is_known() -> None:
    assert place_of("postgres:///dream").shown == "PostgreSQL at local socket, database dream"


async def test_odd_file_names_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "what? 100% #1 ä.db"
    store = SqlStore(file)
    await store.open()
    await store.close()
    assert file.exists()


async def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = SqlStore(f"sqlite:///{tmp_path}/x.db")
        await store.open()
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        await store.close()
    finally:
        os.umask(old)
    assert modes == dict.fromkeys(["x.db", "x.db-wal", "x.db-shm"], 0o600)


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for file in (tmp_path / "file" / "x.db", tmp_path):
        with pytest.raises(UserError) as caught:
            await SqlStore(file).open()
        [complaint] = caught.value.complaints
        assert complaint.where == str(file)
        assert complaint.mend
