"""A nursery of nodes to be killed: forks one for each line `folder key key ...` it reads.

Forking a warm process spares each node the import time. A node says `<pid>` just before it
starts one instance for each key, and stays.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from dreamnet.drivers.platforms.base import Start
from dreamnet.drivers.platforms.process import ProcessPlatform
from dreamnet.kernel.clock import SystemClock
from dreamnet.model.services import ServiceName, ServiceSpec, Slot


def start(folder: Path, number: int) -> Start:
    spec = ServiceSpec(name=ServiceName("shop"), folder=str(folder), run="sleep 300")
    path = "/usr/local/bin:/usr/bin:/bin"
    return Start(spec, Slot(number), {"PATH": path, "NURSERY": str(folder)})


async def _node(folder: Path, keys: list[str]) -> None:
    platform = ProcessPlatform(folder / "instances", SystemClock())
    await platform.open()
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    starts = (platform.start(start(folder, n), key) for n, key in enumerate(keys))
    await asyncio.gather(*starts)
    await asyncio.Event().wait()


def main() -> None:
    for line in sys.stdin:
        folder, *keys = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(_node(Path(folder), keys))
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
