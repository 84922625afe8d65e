"""The far sense: looks at what is only watched, again and again, and publishes each answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import assert_never

from dreamnet.kernel.clock import Clock
from dreamnet.kernel.log import logger
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.facts import WatchAnswered
from dreamnet.model.watches import (
    CertificateWatch,
    DnsWatch,
    TcpWatch,
    UrlWatch,
    Watch,
    WatchFailure,
)
from dreamnet.senses.far import FarAnswer
from dreamnet.senses.far_http import FarHttp
from dreamnet.senses.far_socket import ask_certificate, ask_dns, ask_tcp
from dreamnet.senses.schedule import Randomness, Schedule

SECOND_LOOK_S = 5.0
SPREAD_S = 1.0
_OWN_LATENESS_S = 0.5

log = logger("watcher")


@dataclass(frozen=True)
class _Means:
    """What is shared between questions."""

    http: FarHttp
    context: ssl.SSLContext


class Watcher:
    """Asks each watch in a loop of its own; `publish` gets one fact per answer, in the event loop.

    Never raises for what a target does. Without `context` the certificates that this machine trusts
    are trusted.
    """

    def __init__(
        self,
        watches: Iterable[Watch],
        publish: Callable[[WatchAnswered], None],
        clock: Clock,
        rng: Randomness,
        *,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._watches = tuple(watches)
        self._publish = publish
        self._clock = clock
        self._rng = rng
        self._context = context

    async def run(self) -> None:
        """Watch for ever; without anything to watch this only waits."""
        if not self._watches:
            await asyncio.Event().wait()
        context = self._context or ssl.create_default_context()
        async with aclosing(FarHttp(context)) as http, Tasks("watcher") as tasks:
            means = _Means(http, context)
            for watch in self._watches:
                tasks.loop(watch.name, partial(self._look_for_ever, watch, means))
            await asyncio.Event().wait()

    async def _look_for_ever(self, watch: Watch, means: _Means) -> None:
        schedule = Schedule(watch, timedelta(0), self._rng, second_look_s=SECOND_LOOK_S)
        schedule.begin(self._clock.monotonic(), SPREAD_S)
        while True:
            await asyncio.sleep(max(0.0, schedule.planned - self._clock.monotonic()))
            asked_at = self._clock.monotonic()
            answer = await self._look(watch, means)
            now = self._clock.monotonic()
            took_s = now - asked_at
            if answer.failure is not None and took_s > _limit_s(watch) + _OWN_LATENESS_S:
                # A limit that passed while this very process was stalled says nothing of others.
                log.warning("own event loop stalled, asking again", late_s=took_s)
                continue
            schedule.after(good=answer.failure is None, asked_at=asked_at, now=now, least_s=0.0)
            self._tell(watch, answer, took_s)

    async def _look(self, watch: Watch, means: _Means) -> FarAnswer:
        try:
            async with asyncio.timeout(_limit_s(watch)):
                return await _ask(watch, means)
        except TimeoutError:
            return FarAnswer(f"no answer within {_limit_s(watch):g} s", WatchFailure.TIMED_OUT)
        except Exception as error:
            log.exception("look failed in an unforeseen way", watch=watch.name)
            return FarAnswer(f"the look failed: {type(error).__name__}", WatchFailure.NETWORK)

    def _tell(self, watch: Watch, answer: FarAnswer, took_s: float) -> None:
        self._publish(
            WatchAnswered(
                at=self._clock.now(),
                watch=watch.name,
                failure=answer.failure,
                output=answer.output,
                took_ms=round(took_s * 1000, 3),
                certificate_ends=answer.certificate_ends,
            )
        )


def _limit_s(watch: Watch) -> float:
    return watch.timeout.total_seconds()


async def _ask(watch: Watch, means: _Means) -> FarAnswer:
    match watch:
        case UrlWatch():
            return await means.http.ask(watch)
        case TcpWatch():
            return await ask_tcp(watch)
        case DnsWatch():
            return await ask_dns(watch)
        case CertificateWatch():
            return await ask_certificate(watch, means.context)
        case _:
            assert_never(watch)
