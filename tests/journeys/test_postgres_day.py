"""The same day with PostgreSQL as the store: heal, kill the node, adopt, verify the ledger."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from place import place

from postgres import postgres_database, postgres_server, postgres_url

__all__ = ["postgres_database", "postgres_server", "postgres_url"]


def test_healing_and_adoption_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with place(tmp_path, store=postgres_url) as here:
        here.up()
        assert not (here.data / "dreamnet.db").exists()
        os.kill(here.pids()["shop/1"], signal.SIGKILL)
        here.until(lambda: here.resolved("shop/1"))
        pids, node = here.until(lambda: here.serves() and here.pids()), here.node_pid()
        os.kill(node, signal.SIGKILL)
        assert here.get() == 200
        here.until(lambda: here.ask("/api/status") and here.node_pid() != node)
        here.until(lambda: here.resolved("node"))
        assert here.pids() == pids
        assert here.json("ledger", "verify")["broken_at"] is None
        assert here.dreamnet("down").returncode == 0
