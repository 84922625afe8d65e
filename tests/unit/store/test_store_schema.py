"""The schema: metadata and migrations agree, many nodes may open at once, strangers stay safe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from dreamnet.drivers.store.migrations import HEAD, REVISIONS
from dreamnet.drivers.store.place import place_of
from dreamnet.drivers.store.schema import build, present_revision, upgrade
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.drivers.store.tables import metadata, schema_version
from dreamnet.kernel.errors import UserError
from tests.contracts.storing import place
from tests.postgres import PostgresServer, postgres_database, postgres_server, postgres_url

__all__ = ["place", "postgres_database", "postgres_server", "postgres_url"]

SQLITE_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
POSTGRES_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity,
           identity_generation FROM information_schema.columns WHERE table_schema = 'public'
"""
POSTGRES_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname='public'"
POSTGRES_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
"""


def as_seen(connection: Connection) -> set[tuple[object, ...]]:
    """Return what the database itself says about our tables; the version table is Alembic's."""
    if connection.dialect.name == "sqlite":
        queries = [SQLITE_SCHEMA]
    else:
        queries = [POSTGRES_COLUMNS, POSTGRES_INDEXES, POSTGRES_CONSTRAINTS]
    rows = {tuple(row) for query in queries for row in connection.execute(text(query))}
    return {
        tuple(" ".join(str(value).split()) for value in row)
        for row in rows
        if schema_version.name not in {row[0], *row[1:3]}
    }


def engines(place: str | Path, second: str | Path) -> tuple[Engine, Engine]:
    return create_engine(place_of(place).url), create_engine(place_of(second).url)


@pytest.fixture
def second(place: str | Path, request: pytest.FixtureRequest) -> Generator[str | Path]:
    """Another empty place on the same kind of database."""
    if isinstance(place, Path):
        yield place.with_name("second.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.database() as name:
        yield server.url(name)


def test_migrations_and_metadata_make_the_same_schema(
    place: str | Path, second: str | Path
) -> None:
    if isinstance(place, Path):
        place.parent.mkdir()
    built, migrated = engines(place, second)
    with built.begin() as one, migrated.begin() as two:
        build(one)
        upgrade(two)
        assert present_revision(one) == present_revision(two) == HEAD
        assert as_seen(one) == as_seen(two)
        heads = [one_.execute(text("SELECT * FROM ledger_head")).all() for one_ in (one, two)]
        assert heads[0] == heads[1]
        for connection in (one, two):
            options = {"version_table": schema_version.name}
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, metadata) == []
    built.dispose()
    migrated.dispose()


def test_the_named_revisions_are_those_of_the_files() -> None:
    config = Config()
    config.set_main_option("script_location", "dreamnet.drivers.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS


def test_opening_a_store_imports_no_alembic(tmp_path: Path) -> None:
    code = f"""
import asyncio, sys
from pathlib import Path
from dreamnet.drivers.store.sql import SqlStore
async def main():
    for _ in range(2):
        store = SqlStore(Path({str(tmp_path / "x.db")!r}))
        await store.open()
        print(await store.at_head())
        await store.close()
asyncio.run(main())
heavy = [name for name in ("alembic", "psycopg", "sqlalchemy.orm") if name in sys.modules]
print(heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str((HEAD, HEAD))] * 2 + ["[]"]


FOUR = """
import asyncio, os, sys
from pathlib import Path
from dreamnet.drivers.store.sql import SqlStore
import sqlalchemy.dialects.sqlite
async def main(where):
    store = SqlStore(where if "://" in where else Path(where))
    await store.open()
    os.write(1, (str(await store.at_head()) + chr(10)).encode())
    await store.close()
if "://" in sys.argv[1]:
    import psycopg, sqlalchemy.dialects.postgresql
gate, opened = os.pipe()
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        os.close(opened)
        os.read(gate, 1)
        asyncio.run(main(sys.argv[1]))
        os._exit(0)
    children.append(child)
os.close(opened)
sys.exit(sum(os.waitpid(child, 0)[1] for child in children))
"""


def test_four_processes_may_open_a_new_store_at_once(place: str | Path) -> None:
    command = [sys.executable, "-c", FOUR, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.stdout.splitlines(), done.stderr) == ([str((HEAD, HEAD))] * 4, "")


async def test_a_newer_schema_is_refused_and_left_alone(place: str | Path) -> None:
    store = SqlStore(place)
    await store.open()
    await store.close()
    engine = create_engine(place_of(place).url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE dreamnet_schema SET version_num = '9999'"))
        before = as_seen(connection)
    with pytest.raises(UserError, match="newer DreamNet") as caught:
        await SqlStore(place).open()
    assert caught.value.complaints[0].mend
    with engine.begin() as connection:
        assert as_seen(connection) == before
        assert present_revision(connection) == "9999"
    engine.dispose()


async def test_somebody_elses_database_is_refused_and_left_alone(place: str | Path) -> None:
    if isinstance(place, Path):
        place.parent.mkdir()
    engine = create_engine(place_of(place).url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE services (mine INTEGER)"))
    with pytest.raises(UserError, match="did not make: services"):
        await SqlStore(place).open()
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == ["services"]
    engine.dispose()
