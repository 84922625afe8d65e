"""Silence of many at once: rarely everybody's own fault, mostly a machine that is too busy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dreamnet.domain.dreams.diagnosis import Symptom, SymptomKind
from dreamnet.domain.dreams.dream import Dream, Phase, rejected
from dreamnet.domain.dreams.view import Trouble, TroubleKind, View

FEWEST = 3  # a lone hang, and two, are never held back
MANY = 8  # so many at once are no coincidence, however large the crowd
ONE_IN = 3
TOGETHER = timedelta(seconds=30)

_HELD = "many instances are late at once: they are healed one at a time"

# What a busy machine looks like from outside; a death or a refusal is always the instance's own.
_DOUBTFUL = frozenset({SymptomKind.HANG, SymptomKind.NEVER_READY, SymptomKind.ERRORS})


@dataclass(frozen=True)
class Silence:
    """One instance that is late, with an answer or with its start, and since when it is.

    `timed_out` when it said nothing at all; else it refused while it should have been ready.
    """

    service: str
    since: datetime
    timed_out: bool = True


def silence_of(view: View, symptom: Symptom | None) -> Silence | None:
    """Return a slot's silence; None when it is well, or ill of something it said itself."""
    if symptom is None or view.noticed is None:
        return None
    hangs = symptom.kind is SymptomKind.HANG and view.silent
    if not hangs and symptom.kind is not SymptomKind.NEVER_READY:
        return None
    return Silence(view.target.partition("/")[0], view.noticed, view.silent)


def overload(silences: Iterable[Silence], running: Mapping[str, int]) -> Trouble | None:
    """Return the node's trouble when many of the `running` instances (by service) fell silent.

    Many: at least three and a third of all (or eight), each within 30 s of another, of at least
    two services where there are two; where there is one, a start that refuses is its own fault.
    """
    count = sum(running.values())
    needed = max(FEWEST, min(MANY, -(-count // ONE_IN)))
    services = min(2, len(running))
    told = (one for one in silences if one.timed_out or services > 1)
    for group in _groups(told):
        if len(group) >= needed and len({one.service for one in group}) >= services:
            words = (
                f"{len(group)} of {count} instances are late with their answers or starts at the "
                "same time: the machine may be too busy; they are healed one at a time"
            )
            return Trouble(TroubleKind.OVERLOADED, words)
    return None


def is_held(dream: Dream, others: Iterable[Dream]) -> bool:
    """Return whether a dream's remedy has to wait, while the node is overloaded.

    What a person was asked already is that person's to decide.
    """
    if dream.phase is not Phase.DIAGNOSING or dream.symptom.kind not in _DOUBTFUL:
        return False
    return any(one.phase is Phase.ACTING and one.symptom.kind in _DOUBTFUL for one in others)


def held(dream: Dream, now: datetime) -> Dream:
    """Return the dream after its remedy was held back; said once, asked again at the next look."""
    return rejected(dream, _HELD, dream.due - now, now)


def _groups(silences: Iterable[Silence]) -> list[list[Silence]]:
    """Return what fell silent together: each at most `TOGETHER` after the one before."""
    groups: list[list[Silence]] = []
    for one in sorted(silences, key=lambda silence: silence.since):
        if groups and one.since - groups[-1][-1].since <= TOGETHER:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups
