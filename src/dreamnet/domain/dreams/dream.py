"""An incident as a state machine: `step(dream, seen, policy, now)` says what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from pydantic import Field

from dreamnet.domain.dreams.diagnosis import Remedy, Symptom, diagnose, remedy_for
from dreamnet.domain.dreams.view import View
from dreamnet.model.policy import HealPolicy
from dreamnet.model.record import Record

LONGEST_STORY = 200
UNWANTED = "the target is no longer wanted"
_FOR_A_PERSON = "only a person can mend this"


class Phase(StrEnum):
    """Where a dream is; only `resolved` is final, `escalated` waits for a human.

    `watching` knows its remedy and is not trusted to use it (the office observes).
    """

    OPEN = "open"
    DIAGNOSING = "diagnosing"
    PROPOSED = "proposed"
    WATCHING = "watching"
    ACTING = "acting"
    VERIFYING = "verifying"
    RESOLVED = "resolved"
    ESCALATED = "escalated"


class Event(Record):
    """One line of the story."""

    at: datetime
    phase: Phase
    words: str


class Try(Record):
    """One remedy that was let out; `effective` is None until it is proven or disproven."""

    at: datetime
    remedy: Remedy
    action: str
    effective: bool | None = None


class Dream(Record):
    """An incident of one target.

    `carried` counts recent dreams of the same kind that were resolved and came back: a flapping
    target starts its back-off where it left. `due` is when the next remedy may be tried. `report`
    tells at the end how it went without what was only observed.
    """

    target: str
    symptom: Symptom
    phase: Phase
    opened: datetime
    noticed: datetime
    due: datetime
    carried: int = 0
    tries: tuple[Try, ...] = ()
    verifying_since: datetime | None = None
    story: tuple[Event, ...] = ()
    bundle: dict[str, Any] = Field(default={})
    report: str = ""

    @property
    def live(self) -> bool:
        """Return whether the story still goes on."""
        return self.phase is not Phase.RESOLVED

    @property
    def action(self) -> str:
        """Return the action of the last try, empty when nothing was tried."""
        return self.tries[-1].action if self.tries else ""


class ActionEnd(StrEnum):
    """What became of the dream's action."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Seen:
    """The facts of one step: the target, and the fate of the dream's own action."""

    view: View
    action: ActionEnd = ActionEnd.RUNNING
    detail: str = ""


@dataclass(frozen=True)
class Step:
    """The next dream and the remedy it asks the desk for, if any."""

    dream: Dream
    remedy: Remedy | None = None


def open_dream(view: View, symptom: Symptom, *, carried: int, now: datetime) -> Dream:
    """Return a new dream; its first remedy is due at once unless the target is flapping."""
    noticed = view.noticed or now
    dream = Dream(
        target=view.target,
        symptom=symptom,
        phase=Phase.OPEN,
        opened=now,
        noticed=min(noticed, now),
        due=now,
        carried=carried,
    )
    return _told(dream, now, f"{symptom.kind}: {symptom.words}")


def step(dream: Dream, seen: Seen, policy: HealPolicy, now: datetime) -> Step:
    """Return what comes next for a dream, given what is seen."""
    symptom = diagnose(seen.view, now)
    match dream.phase:
        case Phase.OPEN:
            return Step(_diagnosed(dream, policy, now))
        case Phase.DIAGNOSING:
            return _diagnosing(dream, seen, symptom, policy, now)
        case Phase.PROPOSED | Phase.WATCHING:
            return _diagnosing(_to(dream, Phase.DIAGNOSING), seen, symptom, policy, now)
        case Phase.ACTING:
            return Step(_acting(dream, seen, policy, now))
        case Phase.VERIFYING:
            return Step(_verifying(dream, seen, symptom, policy, now))
        case Phase.ESCALATED:
            return Step(_escalated(dream, seen, symptom, policy, now))
        case Phase.RESOLVED:
            return Step(dream)
        case _:  # pragma: no cover
            assert_never(dream.phase)


def settled(dream: Dream, remedy: Remedy, action: str, now: datetime) -> Dream:
    """Return the dream after the desk let its action out."""
    tries = (*dream.tries, Try(at=now, remedy=remedy, action=action))
    return _told(_to(dream, Phase.ACTING, tries=tries), now, f"{remedy} let out as {action}")


def suggested(dream: Dream, remedy: Remedy, action: str, now: datetime) -> Dream:
    """Return the dream that waits for a person's yes to its action."""
    return _told_once(dream, now, f"{remedy} waits for a yes: dreamnet reef approve {action}")


def observed(dream: Dream, remedy: Remedy, action: str, now: datetime) -> Dream:
    """Return the dream that only watches; what it would have done is neither a try nor a no."""
    words = f"would {remedy} now ({action}); the office only observes"
    return _told_once(_to(dream, Phase.WATCHING), now, words)


def rejected(dream: Dream, reason: str, retry_after: timedelta | None, now: datetime) -> Dream:
    """Return the dream after the desk refused; a refusal is not a try, a final one (None) ends."""
    if retry_after is None:
        return _escalate(dream, now, f"not let out: {reason}")
    waiting = _to(dream, Phase.DIAGNOSING, due=now + retry_after)
    return _told_once(waiting, now, f"not let out: {reason}")


def ineffective_tries(dream: Dream, policy: HealPolicy, now: datetime) -> int:
    """Return how many tries within the window did not help, carried ones included."""
    since = now - policy.window
    return dream.carried + sum(1 for a in dream.tries if a.effective is False and a.at >= since)


def pause_after(failed: int, policy: HealPolicy) -> timedelta:
    """Return the back-off before the next try: none at first, then doubling up to the cap."""
    if failed == 0:
        return timedelta(0)
    return min(policy.backoff_cap, policy.backoff * 2 ** min(failed - 1, 30))


def _diagnosed(dream: Dream, policy: HealPolicy, now: datetime) -> Dream:
    remedy = remedy_for(dream.symptom.kind, len(dream.tries))
    failed = ineffective_tries(dream, policy, now)
    if remedy is Remedy.ESCALATE:
        return _escalate(dream, now, _FOR_A_PERSON)
    if failed >= policy.tries:
        return _escalate(dream, now, f"{failed} tries within the window did not help")
    pause = pause_after(failed, policy)
    waiting = _to(dream, Phase.DIAGNOSING, due=now + pause)
    if remedy is Remedy.WAIT:
        return _told(waiting, now, "a restart would not help: waiting for it to pass")
    when = f"in {pause.total_seconds():g} s" if pause else "at once"
    return _told(waiting, now, f"remedy: {remedy}, {when}")


def _diagnosing(
    dream: Dream, seen: Seen, symptom: Symptom | None, policy: HealPolicy, now: datetime
) -> Step:
    if not seen.view.wanted:
        return Step(_resolve(dream, now, UNWANTED))
    if seen.view.trouble is not None and seen.view.trouble.mended:
        return Step(_verify(dream, now, seen.view.trouble.mended))
    if symptom is None:
        return Step(_well_again(dream, seen, now))
    if symptom.graver_than(dream.symptom):
        return Step(_diagnosed(_taken_over(dream, symptom, now), policy, now))
    remedy = remedy_for(dream.symptom.kind, len(dream.tries))
    if remedy is Remedy.ESCALATE:
        return Step(_escalate(dream, now, _FOR_A_PERSON))
    if remedy is Remedy.WAIT:
        late = now - dream.opened > policy.patience
        return Step(_escalate(dream, now, "it does not pass by itself") if late else dream)
    if now < dream.due:
        return Step(dream)
    return Step(_to(dream, Phase.PROPOSED), remedy)


def _well_again(dream: Dream, seen: Seen, now: datetime) -> Dream:
    """A symptom that is gone may be well, starting, or explained by a dream of the service."""
    if seen.view.starting or not seen.view.incarnation or not seen.view.good_in_row:
        return dream
    return _verify(dream, now, "the symptom is gone")


def _acting(dream: Dream, seen: Seen, policy: HealPolicy, now: datetime) -> Dream:
    match seen.action:
        case ActionEnd.RUNNING:
            return dream
        case ActionEnd.SUCCEEDED:
            return _verify(dream, now, f"done: {seen.detail}")
        case ActionEnd.FAILED:
            return _no_help(dream, f"failed: {seen.detail}", policy, now)
        case _:  # pragma: no cover
            assert_never(seen.action)


def _verifying(
    dream: Dream, seen: Seen, symptom: Symptom | None, policy: HealPolicy, now: datetime
) -> Dream:
    since = dream.verifying_since or now
    if not seen.view.wanted:
        return _resolve(dream, now, UNWANTED)
    mended = seen.view.trouble is not None and bool(seen.view.trouble.mended)
    if symptom is not None and not mended:
        worse = _taken_over(dream, symptom, now) if symptom.graver_than(dream.symptom) else dream
        return _no_help(worse, f"{symptom.kind}: {symptom.words}", policy, now)
    if _proven(seen.view, since, policy, now):
        return _resolve(dream, now, f"verified by {seen.view.good_in_row} good probes in a row")
    if now - since <= policy.start_limit:
        return dream
    if now - dream.opened > policy.patience:
        return _escalate(dream, now, "neither ill nor proven well")
    return _no_help(dream, "not proven well within the limit", policy, now)


def _proven(view: View, since: datetime, policy: HealPolicy, now: datetime) -> bool:
    stable = now - since >= policy.stabilise
    return stable and bool(view.incarnation) and view.good_in_row >= policy.good_probes


def _escalated(
    dream: Dream, seen: Seen, symptom: Symptom | None, policy: HealPolicy, now: datetime
) -> Dream:
    if not seen.view.wanted:
        return _resolve(dream, now, UNWANTED)
    if symptom is None and seen.view.incarnation and seen.view.good_in_row >= policy.good_probes:
        return _resolve(dream, now, "well again, by another hand")
    return dream


def _no_help(dream: Dream, words: str, policy: HealPolicy, now: datetime) -> Dream:
    tries = dream.tries
    if tries and tries[-1].effective is None:
        tries = (*tries[:-1], tries[-1].model_copy(update={"effective": False}))
    return _diagnosed(_told(_to(dream, dream.phase, tries=tries), now, words), policy, now)


def _verify(dream: Dream, now: datetime, words: str) -> Dream:
    return _told(_to(dream, Phase.VERIFYING, verifying_since=now), now, words)


def _resolve(dream: Dream, now: datetime, words: str) -> Dream:
    tries = dream.tries
    if tries and tries[-1].effective is None and dream.phase is Phase.VERIFYING:
        tries = (*tries[:-1], tries[-1].model_copy(update={"effective": True}))
    return _told(_to(dream, Phase.RESOLVED, tries=tries), now, words)


def _escalate(dream: Dream, now: datetime, words: str) -> Dream:
    return _told(_to(dream, Phase.ESCALATED), now, words)


def _taken_over(dream: Dream, symptom: Symptom, now: datetime) -> Dream:
    changed = dream.model_copy(update={"symptom": symptom})
    return _told(changed, now, f"became {symptom.kind}: {symptom.words}")


def _to(dream: Dream, phase: Phase, **changes: object) -> Dream:
    return dream.model_copy(update={"phase": phase, **changes})


def _told_once(dream: Dream, now: datetime, words: str) -> Dream:
    """The same question is asked again and again; its answer is told once."""
    if dream.story and dream.story[-1].words == words:
        return dream
    return _told(dream, now, words)


def _told(dream: Dream, now: datetime, words: str) -> Dream:
    event = Event(at=now, phase=dream.phase, words=words)
    return dream.model_copy(update={"story": (*dream.story, event)[-LONGEST_STORY:]})
