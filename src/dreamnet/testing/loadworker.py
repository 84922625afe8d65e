"""The process that sends a load: a plan comes in on stdin, JSON lines go out on stdout.

Run as `python -m dreamnet.testing.loadworker`. The first line of stdin is the plan; a second line,
or its end (the parent died), stops the load. Lines out: ready, progress, failed, result.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from typing import Any

from dreamnet.testing.instant import now
from dreamnet.testing.load import Load
from dreamnet.testing.plan import Plan
from dreamnet.testing.record import Record

PROGRESS_EVERY_S = 0.1
# Bounds one line from the parent; a plan with a few hundred kinds fits.
LONGEST_LINE = 4 * 1024 * 1024


class _Reporter:
    """Writes what happens, and keeps the slowest good answer since the last progress line."""

    def __init__(self) -> None:
        self._slowest_s = 0.0

    def record(self, record: Record) -> None:
        if record.ok:
            self._slowest_s = max(self._slowest_s, record.latency_s)
        else:
            write("failed", record=record.to_json())

    def progress(self, load: Load) -> None:
        write("progress", counts=load.counts.to_json(), slowest_s=self._slowest_s)
        self._slowest_s = 0.0


def write(event: str, **values: Any) -> None:
    """Write one line at once, with the instant at which it was written."""
    sys.stdout.write(json.dumps({"event": event, "at": now(), **values}) + "\n")
    sys.stdout.flush()


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _report_until_over(load: Load, reporter: _Reporter) -> None:
    while True:
        reporter.progress(load)
        try:
            async with asyncio.timeout(PROGRESS_EVERY_S):
                await load.wait()
        except TimeoutError:
            continue
        return


async def _stop_on_request(load: Load, orders: asyncio.StreamReader) -> None:
    await orders.readline()
    load.stop()


async def _report_while_draining(load: Load, reporter: _Reporter) -> None:
    while load.counts.in_flight:
        await asyncio.sleep(PROGRESS_EVERY_S)
        reporter.progress(load)


async def _work() -> None:
    orders = await _stdin()
    plan = Plan.from_json(json.loads(await orders.readline()))
    reporter = _Reporter()
    async with Load(plan, reporter.record) as load, asyncio.TaskGroup() as group:
        write("ready", began=load.began)
        listener = group.create_task(_stop_on_request(load, orders), name="load-orders")
        await _report_until_over(load, reporter)
        await _report_while_draining(load, reporter)
        listener.cancel()
    reporter.progress(load)
    write("result", result=load.result().to_json())


def _allow_many_sockets() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    """Run the load that stdin describes."""
    _allow_many_sockets()
    try:
        asyncio.run(_work())
    except BrokenPipeError:
        sys.exit(1)  # nobody reads us any more


if __name__ == "__main__":
    main()
