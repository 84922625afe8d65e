"""An open-loop load generator: requests leave on schedule, whatever the service answers."""

from __future__ import annotations

import asyncio
import errno
import math
import secrets
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp

from dreamnet.testing.instant import now
from dreamnet.testing.loadresult import KindResult, LoadResult, summarise
from dreamnet.testing.losses import Losses
from dreamnet.testing.plan import Kind, Plan
from dreamnet.testing.record import Counts, Record

__all__ = ["Counts", "Kind", "KindResult", "Load", "LoadResult", "Losses", "Plan", "Record"]


class Load:
    """Runs a plan while the `async with` block lasts, and is read while it runs.

    Leaving the block stops new arrivals and waits for requests under way (at most the plan's
    timeout). For figures, use `LoadProcess`: a busy event loop here would disturb the load.
    """

    def __init__(self, plan: Plan, on_record: Callable[[Record], None] | None = None) -> None:
        """Prepare; nothing is sent before the block is entered."""
        self.plan = plan
        self.counts = Counts()
        self.losses = Losses()
        self.records: list[Record] = []
        self.began = 0.0
        self._last_arrival = 0.0
        self._on_record = on_record
        self._group = asyncio.TaskGroup()
        self._over = asyncio.Event()
        self._stopping = asyncio.Event()
        self._run_token = secrets.token_hex(4)
        self._urls = {kind.name: plan.base_url + kind.path for kind in plan.kinds}

    async def __aenter__(self) -> Self:
        """Open the connection pool and start the arrivals."""
        self._session = _open_session(self.plan)
        await self._group.__aenter__()
        self.began = self._last_arrival = now()
        self._group.create_task(self._arrive(), name="load-arrivals")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop arrivals, wait for requests under way, close the pool."""
        self._stopping.set()
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            await self._session.close()

    async def wait(self) -> None:
        """Wait until the plan has sent its last request or `stop` was called."""
        await self._over.wait()

    def stop(self) -> None:
        """Send nothing more; requests under way still end."""
        self._stopping.set()

    def mark(self, name: str) -> float:
        """Begin a named window of losses (see `Losses.by_mark`); returns its instant."""
        return self.losses.mark(name)

    def lost(self, since: float, until: float = math.inf) -> list[Record]:
        """Failed requests under way between two instants (see `Losses.between`)."""
        return self.losses.between(since, until)

    def result(self) -> LoadResult:
        """The figures so far; complete once the block was left."""
        return summarise(self.plan, self.records, self._last_arrival - self.began)

    async def _arrive(self) -> None:
        try:
            for number, (offset, kind) in enumerate(self.plan.schedule()):
                if not await self._reached(self.began + offset):
                    return
                self._send(number, kind, self.began + offset)
            await self._reached(self._planned_end())
        finally:
            self._last_arrival = max(self._last_arrival, min(now(), self._planned_end()))
            self._over.set()

    def _planned_end(self) -> float:
        seconds = min(self.plan.limit_s, self.plan.limit_count / self.plan.rate_per_s)
        return max(self.began + seconds, self._last_arrival)

    async def _reached(self, instant: float) -> bool:
        """Wait for an instant; False if the load was stopped before."""
        wait_s = instant - now()
        if wait_s > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await self._stopping.wait()
            except TimeoutError:
                return True
        return not self._stopping.is_set()

    def _send(self, number: int, kind: Kind, scheduled: float) -> None:
        self._last_arrival = scheduled
        full = self.counts.in_flight >= self.plan.max_in_flight
        self.counts.sent += 1
        if full:
            instant = now()
            self._ended(number, kind, (scheduled, instant), (None, "overflow"))
        else:
            self._group.create_task(self._request(number, kind, scheduled))

    async def _request(self, number: int, kind: Kind, scheduled: float) -> None:
        started = now()
        outcome: tuple[int | None, str] = (None, "stopped")
        try:
            outcome = await self._exchange(number, kind)
        finally:
            self._ended(number, kind, (scheduled, started), outcome)

    async def _exchange(self, number: int, kind: Kind) -> tuple[int | None, str]:
        try:
            async with self._session.request(
                kind.method,
                self._urls[kind.name],
                data=kind.body.encode() or None,
                headers=self._headers(number, kind),
                allow_redirects=False,
            ) as response:
                await response.read()
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            return None, _reason(error)
        status = response.status
        return status, "" if kind.accepts(status) else f"status {status}"

    def _headers(self, number: int, kind: Kind) -> dict[str, str]:
        headers = dict(kind.headers)
        if kind.host:
            headers["Host"] = kind.host
        if kind.unique_header:
            headers[kind.unique_header] = f"{self._run_token}-{number}"
        return headers

    def _ended(
        self, number: int, kind: Kind, times: tuple[float, float], outcome: tuple[int | None, str]
    ) -> None:
        record = Record(number, kind.name, kind.service, kind.repeatable, *times, now(), *outcome)
        self.records.append(record)
        self.counts.add(record)
        if not record.ok:
            self.losses.add(record)
        if self._on_record is not None:
            self._on_record(record)


def _open_session(plan: Plan) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=plan.keepalive_s),
        # aiohttp rounds time limits above the threshold up to whole seconds.
        timeout=aiohttp.ClientTimeout(total=plan.timeout_s, ceil_threshold=math.inf),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
    # aiohttp silently repeats idempotent requests on a broken reused connection: that would hide
    # losses and add requests that the plan does not have. There is no public switch.
    session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return session


def _reason(error: aiohttp.ClientError | OSError) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL):
        return "no-descriptor"
    match error:
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorError():
            return "connect"
        case aiohttp.ServerDisconnectedError():
            return "disconnected"
        case aiohttp.ClientPayloadError():
            return "truncated"
        case OSError():
            return "reset"
        case _:
            return "protocol"
