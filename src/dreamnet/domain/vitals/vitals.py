"""How an instance (or a watched target) is in one aspect: answers counted into a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dreamnet.domain.vitals.evidence import Evidence

REMEMBERED = 32
# So many time-outs in a row that may be our own fault are passed over; then they count, so that an
# asker that is always late still notices a true hang.
MOST_EXCUSED = 5


class Verdict(StrEnum):
    """What the answers amount to; `unknown` until a threshold was reached once."""

    UNKNOWN = "unknown"
    WELL = "well"
    FAILING = "failing"


class Answer(Protocol):
    """What is counted: an answer to a probe, or to a look at a watched target."""

    @property
    def at(self) -> datetime:
        """Return when it came."""
        ...

    @property
    def good(self) -> bool:
        """Return whether it was good."""
        ...

    @property
    def output(self) -> str:
        """Return what was said."""
        ...


class Thresholds(Protocol):
    """How many equal answers in a row turn the verdict."""

    @property
    def failures(self) -> int:
        """Return how many bad ones."""
        ...

    @property
    def successes(self) -> int:
        """Return how many good ones."""
        ...


@dataclass(frozen=True, slots=True)
class Streak:
    """The present run of equal answers; one of `goods` and `bads` is 0.

    `good_at` holds when the newest good answers of this run came, at most 32, oldest first.
    """

    goods: int = 0
    bads: int = 0
    good_since: datetime | None = None
    good_at: tuple[datetime, ...] = ()

    def after(self, at: datetime, *, good: bool) -> Streak:
        """Return the run with one more answer."""
        if not good:
            return Streak(bads=self.bads + 1)
        return Streak(
            goods=self.goods + 1,
            good_since=self.good_since or at,
            good_at=(*self.good_at, at)[-REMEMBERED:],
        )


@dataclass(frozen=True, slots=True)
class Vitals:
    """One aspect of one instance; a new instance starts from `Vitals()`.

    `since` is when the verdict became what it is; `ever_well` never turns back. `excused` counts
    the answers passed over since the last one that proved something; `silent` tells that the last
    bad answer that counted was none within the limit.
    """

    verdict: Verdict = Verdict.UNKNOWN
    since: datetime | None = None
    streak: Streak = Streak()
    ever_well: bool = False
    last_at: datetime | None = None
    last_output: str = ""
    excused: int = 0
    silent: bool = False

    @property
    def undecided(self) -> bool:
        """Return whether the newest answers proved nothing, and more of them may be passed over."""
        return 0 < self.excused < MOST_EXCUSED

    def goods_since(self, instant: datetime) -> int:
        """Return how many good answers of the present run came at or after `instant` (to 32)."""
        return sum(at >= instant for at in self.streak.good_at)


def step(
    vitals: Vitals, answer: Answer, thresholds: Thresholds, evidence: Evidence = Evidence.SAID
) -> Vitals:
    """Return the vitals after one answer, judged by `thresholds`.

    An answer that is not newer than the last one (repeated, late) changes nothing. A bad one that
    proves nothing is passed over, at most `MOST_EXCUSED` in a row.
    """
    if vitals.last_at is not None and answer.at <= vitals.last_at:
        return vitals
    proves_nothing = evidence is Evidence.NOTHING
    if proves_nothing and vitals.excused < MOST_EXCUSED:
        return replace(vitals, excused=vitals.excused + 1, last_at=answer.at)
    streak = vitals.streak.after(answer.at, good=answer.good)
    verdict = _verdict(vitals.verdict, streak, thresholds)
    return replace(
        vitals,
        verdict=verdict,
        since=vitals.since if verdict is vitals.verdict else answer.at,
        streak=streak,
        ever_well=vitals.ever_well or verdict is Verdict.WELL,
        last_at=answer.at,
        last_output=answer.output,
        excused=vitals.excused if proves_nothing else 0,
        silent=evidence is not Evidence.SAID,
    )


def _verdict(before: Verdict, streak: Streak, thresholds: Thresholds) -> Verdict:
    if streak.goods >= thresholds.successes:
        return Verdict.WELL
    if streak.bads >= thresholds.failures:
        return Verdict.FAILING
    return before
