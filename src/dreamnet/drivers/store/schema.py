"""Brings the schema to head: a look at the version, and only if needed a build or migrations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, Text, func, insert, inspect, literal, select

from dreamnet.drivers.store.ledger import FIRST_PREV
from dreamnet.drivers.store.migrations import HEAD, REVISIONS
from dreamnet.drivers.store.place import Place
from dreamnet.drivers.store.tables import ledger_head, metadata, schema_version
from dreamnet.kernel.errors import UserError

_MIGRATIONS = 0x647265616D6E66  # "dreamnf": the advisory lock of migrations
_LOCK = select(func.pg_advisory_xact_lock(literal(_MIGRATIONS, BigInteger)).cast(Text))
_OWN_DATABASE = "give DreamNet a file or database of its own"


def present_revision(connection: Connection) -> str:
    """Return the schema's revision, empty when there is none yet."""
    if not inspect(connection).has_table(schema_version.name):
        return ""
    return connection.execute(select(schema_version.c.version_num)).scalar() or ""


def bring_to_head(connection: Connection, place: Place) -> None:
    """Build or migrate the schema inside the caller's transaction; safe with many nodes at once.

    `UserError` when the schema is newer than this DreamNet or the database is somebody else's.
    """
    if _is_at_head(connection, place):
        return
    if connection.dialect.name == "postgresql":  # on SQLite the write transaction is the lock
        connection.execute(_LOCK)
        if _is_at_head(connection, place):
            return
    if present_revision(connection):
        upgrade(connection)
    else:
        _refuse_foreign(connection, place)
        build(connection)


def _is_at_head(connection: Connection, place: Place) -> bool:
    present = present_revision(connection)
    if present and present not in REVISIONS:
        raise UserError.of(
            f'the store was written by a newer DreamNet (schema "{present}"); '
            f'this one knows schemas up to "{HEAD}"; nothing was changed',
            where=place.shown,
            mend="start the newer DreamNet, or restore a backup from before the update",
        )
    return present == HEAD


def _refuse_foreign(connection: Connection, place: Place) -> None:
    found = set(inspect(connection).get_table_names())
    ours = found & metadata.tables.keys()
    if ours or (found and place.file is not None):
        names = ", ".join(sorted(ours or found)[:5])
        raise UserError.of(
            f"this database holds tables that DreamNet did not make: {names}; nothing was changed",
            where=place.shown,
            mend=_OWN_DATABASE,
        )


def build(connection: Connection) -> None:
    """Build the newest schema from nothing, without the cost of importing Alembic."""
    metadata.create_all(connection, checkfirst=False)
    schema_version.create(connection, checkfirst=False)
    connection.execute(insert(schema_version).values(version_num=HEAD))
    connection.execute(insert(ledger_head).values(first_head()))


def first_head() -> dict[str, int | str]:
    """Return the head row of an empty ledger."""
    chain: dict[str, int | str] = {
        "seq": 0,
        "hash": FIRST_PREV,
        "anchor_seq": 0,
        "anchor_hash": FIRST_PREV,
    }
    return {"id": 1} | chain


def upgrade(connection: Connection) -> None:
    """Run the missing migrations inside the caller's transaction."""
    from alembic import command  # noqa: PLC0415  (0.6 s: only when there is something to do)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "dreamnet.drivers.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
