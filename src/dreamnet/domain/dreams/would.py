"""How it ended without the action that was only observed: what is known, and nothing beyond."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import median

from dreamnet.domain.dreams.dream import UNWANTED, Dream, Phase
from dreamnet.model.actions import Action, ActionPhase, Agent, Verb, overlaps

# What a person's restart of DreamNet starts again too, for it has no command of its own.
_STARTED_WITH_NODE = frozenset({"gateway", "room"})
_NODE = "node"
_MENDING = frozenset({Verb.START, Verb.RESTART, Verb.REPLACE})
BEGUN = frozenset({ActionPhase.CLAIMED, ActionPhase.SUCCEEDED, ActionPhase.FAILED})


class Ending(StrEnum):
    """How a would-be action's dream went on without it."""

    NEEDLESS = "needless"
    BY_ANOTHER = "by-another"
    TRUSTED_LATER = "trusted-later"
    UNWANTED = "unwanted"
    OPEN = "open"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """The ending, in words too; `proven_s` and `sooner_s` count from the would-be action.

    `proven_s` is when the target was proven well (None: it is not). `sooner_s` is when another did
    something about it, so how much sooner DreamNet would have acted (None: nobody did).
    """

    ending: Ending
    words: str
    proven_s: float | None = None
    sooner_s: float | None = None


@dataclass(frozen=True)
class Estimate:
    """What the same remedy did before: it worked `worked` of `known` times.

    `median_s` is from letting it out to proof, of those that worked. `alike` tells whether these
    were dreams of the very same fingerprint, else of the same symptom of the service.
    """

    known: int = 0
    worked: int = 0
    median_s: float | None = None
    alike: bool = False

    @property
    def words(self) -> str:
        """Return the estimate as a person says it."""
        if not self.known:
            return "no record"
        what = "trouble" if self.alike else "symptom"
        proof = "" if self.median_s is None else f", proven after {seconds(self.median_s)} (median)"
        return f"worked {self.worked} of {self.known} times for this {what} before{proof}"


@dataclass(frozen=True)
class Past:
    """A dream with the fingerprint of its case."""

    fingerprint: str
    dream: Dream


def outcome(would: Action, dream: Dream | None, others: Iterable[Action], now: datetime) -> Outcome:
    """Return how it ended; `others` are actions of any target and time that were begun."""
    if dream is None:
        return Outcome(Ending.UNKNOWN, "its dream is no longer kept")
    end = _end_of(dream)
    hand = _hand(would, others, end or now)
    sooner_s = None if hand is None else _apart(would.at, hand.at)
    if end is None:
        words = f"still {_state(dream)} after {seconds(_apart(would.at, now))}"
        words += "" if hand is None else f"; {_did(would, hand)}"
        return Outcome(Ending.OPEN, words, sooner_s=sooner_s)
    proven_s = _apart(would.at, end)
    if any(event.words == UNWANTED for event in dream.story):
        return Outcome(Ending.UNWANTED, f"no longer wanted after {seconds(proven_s)}")
    proof = f"proven well after {seconds(proven_s)}"
    if hand is None:
        return Outcome(Ending.NEEDLESS, f"well without any action, {proof}", proven_s)
    own = hand.proposal.agent is Agent.DREAMKEEPER
    ending = Ending.TRUSTED_LATER if own else Ending.BY_ANOTHER
    return Outcome(ending, f"{_did(would, hand)}; {proof}", proven_s, sooner_s)


def estimate(would: Action, own: Past, past: Iterable[Past]) -> Estimate:
    """Return what the remedy did in earlier dreams, alike ones first; tries before `would` only."""
    service, symptom = _service(own.dream), would.proposal.args.get("symptom")
    near = [one for one in past if _service(one.dream) == service]
    alike = _results(would, (one.dream for one in near if one.fingerprint == own.fingerprint))
    if alike:
        return _estimated(alike, alike=True)
    kin = (one.dream for one in near if one.dream.symptom.kind == symptom)
    return _estimated(_results(would, kin), alike=False)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return one line over all of them."""
    counts = Counter(one.ending for one in outcomes)
    sooner = [one.sooner_s or 0.0 for one in outcomes if one.ending is Ending.BY_ANOTHER]
    by_another = f"{counts[Ending.BY_ANOTHER]} another did later"
    by_another += f" (median {seconds(median(sooner))} sooner)" if sooner else ""
    told = {
        Ending.NEEDLESS: f"{counts[Ending.NEEDLESS]} needless",
        Ending.BY_ANOTHER: by_another,
        Ending.TRUSTED_LATER: f"{counts[Ending.TRUSTED_LATER]} done once trusted",
        Ending.UNWANTED: f"{counts[Ending.UNWANTED]} no longer wanted",
        Ending.OPEN: f"{counts[Ending.OPEN]} still open",
        Ending.UNKNOWN: f"{counts[Ending.UNKNOWN]} unknown",
    }
    parts = ", ".join(words for ending, words in told.items() if counts[ending])
    noun = "would-be action" + ("" if len(outcomes) == 1 else "s")
    return f"{len(outcomes)} {noun}: {parts}" if outcomes else "nothing would have been done"


def seconds(value: float) -> str:
    """Return a time as a person says it."""
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"


def _end_of(dream: Dream) -> datetime | None:
    return next((one.at for one in dream.story if one.phase is Phase.RESOLVED), None)


def _hand(would: Action, others: Iterable[Action], until: datetime) -> Action | None:
    """Return the last action that may have mended the target; one that succeeded before others."""
    target = would.proposal.target
    found = [
        one
        for one in others
        if would.at <= one.at <= until
        and one.phase in BEGUN
        and one.proposal.verb in _MENDING
        and _touches(one.proposal.target, target)
    ]
    good = [one for one in found if one.phase is not ActionPhase.FAILED]
    return max(good or found, key=lambda one: one.at, default=None)


def _touches(other: str, target: str) -> bool:
    return overlaps(other, target) or (other == _NODE and target in _STARTED_WITH_NODE)


def _did(would: Action, hand: Action) -> str:
    later = f"{seconds(_apart(would.at, hand.at))} later"
    agent, verb = hand.proposal.agent, hand.proposal.verb
    if agent is Agent.DREAMKEEPER:
        return f"DreamNet was trusted and did it ({verb}) {later}"
    who = "a person" if agent is Agent.OPERATOR else agent
    what = "the same" if verb is would.proposal.verb else "another thing"
    failed = ", which failed" if hand.phase is ActionPhase.FAILED else ""
    return f"{who} did {what} ({verb} {hand.proposal.target}) {later}{failed}"


def _state(dream: Dream) -> str:
    return "unproven" if dream.phase is Phase.VERIFYING else "ill"


def _apart(earlier: datetime, later: datetime) -> float:
    """A clock that was set back must not make a negative time of it."""
    return max(0.0, (later - earlier).total_seconds())


def _service(dream: Dream) -> str:
    return dream.target.partition("/")[0]


def _results(would: Action, dreams: Iterable[Dream]) -> list[float | None]:
    """Return for each earlier try of the remedy the seconds to its proof, None: it did not help."""
    found: list[float | None] = []
    for dream in dreams:
        end = _end_of(dream)
        for one in dream.tries:
            if one.remedy != would.proposal.verb or one.effective is None or one.at >= would.at:
                continue
            found.append(_apart(one.at, end) if one.effective and end is not None else None)
    return found


def _estimated(results: list[float | None], *, alike: bool) -> Estimate:
    times = [one for one in results if one is not None]
    middle = median(times) if times else None
    return Estimate(len(results), len(times), middle, alike=alike)
