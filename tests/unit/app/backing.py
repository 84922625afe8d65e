"""What the tests of backups share: a site with a filled store, and all that is in a store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select

from dreamnet.drivers.store.place import place_of
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.drivers.store.tables import metadata
from dreamnet.model.services import ServiceName
from tests.contracts.storing import a_case, a_message, an_action

NOW = datetime(2026, 11, 25, 3, 15, 0, tzinfo=UTC)
SETTINGS = '[node]\nstore = "{store}"\n[services.shop]\nrun = "python3 shop.py"\n'


def write_site(folder: Path, store: str = "") -> Path:
    """Write settings into a folder and return their file."""
    folder.mkdir(exist_ok=True)
    file = folder / "dreamnet.toml"
    file.write_text(SETTINGS.format(store=store))
    return file


def where(settings: Path) -> str | Path:
    """Return the store that these settings name."""
    [line] = [one for one in settings.read_text().splitlines() if one.startswith("store")]
    return line.split('"')[1] or settings.parent / ".dreamnet" / "dreamnet.db"


def fill(settings: Path, names: str = "abc", rows: int = 600) -> None:
    """Open dreams, actions and messages of these names, and append rows to the ledger."""
    place = where(settings)
    if isinstance(place, Path):
        place.parent.mkdir(exist_ok=True, mode=0o700)

    async def work() -> None:
        store = SqlStore(place)
        await store.open()
        for name in names:
            await store.tx(lambda tx, name=name: _step(tx, name))
        await store.tx(lambda tx: [tx.ledger.append("k", "s", {"n": n}, NOW) for n in range(rows)])
        await store.close()

    asyncio.run(work())


def _step(tx: Any, name: str) -> None:
    tx.cases.open(a_case(name, target=name))
    tx.actions.insert(an_action(name, target=name, case=name))
    tx.messages.send(a_message(name, payload={"case": name}))
    tx.services.want(ServiceName(name), 3, 1)


def content(settings: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, without what only counts insertions."""
    engine = create_engine(place_of(where(settings)).url)
    found = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            kept = [column for column in table.columns if column.identity is None]
            rows = connection.execute(select(*kept).order_by(*table.primary_key.columns))
            found[table.name] = [dict(row) for row in rows.mappings()]
    engine.dispose()
    return found


def without_restore(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the content as it was before a restore told the ledger of itself."""
    kept = [row for row in rows["ledger"] if row["kind"] != "store-restored"]
    [head] = rows["ledger_head"]
    before = {**head, "seq": kept[-1]["seq"], "hash": kept[-1]["hash"]}
    return rows | {"ledger": kept, "ledger_head": [before]}
