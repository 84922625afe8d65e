"""Trust by degrees, as an operator meets it: observe first, then let DreamNet act."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from place import Place, place

OBSERVE = '\n[reef.offices.heal]\nmode = "observe"\n'


def test_observe_is_told_with_its_end_and_auto_takes_the_open_dream_over(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.write(OBSERVE)
        here.up()
        node, pids = here.node_pid(), here.pids()
        os.kill(pids["shop/1"], signal.SIGKILL)
        [one] = here.until(lambda: would(here))
        assert (one["target"], one["verb"], one["ending"]) == ("shop/1", "restart", "open")
        os.kill(node, signal.SIGKILL)
        here.until(lambda: here.node_pid() != node and here.ask("/api/dreams"))
        here.until(lambda: [each["phase"] for each in here.dreams()] == ["watching"])
        assert set(here.pids()) == {"shop/2"}, "nothing was done, and the next node keeps to it"
        assert here.get() == 200

        done = here.dreamnet("restart", "shop", "--slot", "1")
        assert done.returncode == 0, done.stderr
        here.until(lambda: here.resolved("shop/1"))
        [one] = would(here)
        assert (one["id"], one["ending"]) == (
            here.dream("shop/1")["actions"][0]["id"],
            "by-another",
        )
        told = here.dreamnet("dreams", "would").stdout
        assert "a person did the same (restart shop/1)" in told
        assert "1 would-be action: 1 another did later (median " in told

        os.kill(here.pids()["shop/2"], signal.SIGKILL)
        here.until(lambda: len(would(here)) == 2)
        here.write(OBSERVE.replace("observe", "auto"))
        assert here.dreamnet("restart", "dreamnet").returncode == 0
        here.until(lambda: here.resolved("shop/2") and here.serves())
        newest = would(here)[0]
        assert (newest["target"], newest["ending"]) == ("shop/2", "trusted-later")
        assert here.json("ledger", "verify")["ok"] is True


def would(here: Place) -> list[dict[str, Any]]:
    found = here.ask("/api/dreams/would")
    return found["would"] if found else []
