"""Looks back at what was only observed: from the store's rows to how each would have ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from dreamnet.domain.dreams.dream import Dream
from dreamnet.domain.dreams.would import BEGUN, Estimate, Outcome, Past, estimate, outcome
from dreamnet.drivers.store.base import Tx
from dreamnet.model.actions import Action, ActionPhase
from dreamnet.model.cases import Case, CaseId, CaseKind

# What the same remedy did before is looked for among so many of the newest dreams.
MOST_PAST = 1000
NO_RECORD = Estimate()


@dataclass(frozen=True)
class Lookback:
    """A would-be action, how it ended without it, and what it may have done (an estimate)."""

    action: Action
    outcome: Outcome
    estimate: Estimate = NO_RECORD


def look_back(tx: Tx, case: CaseId, dream: Dream, now: datetime) -> list[Lookback]:
    """Return the would-be actions of one dream, oldest first, with how each ended."""
    observed = [one for one in tx.actions.of_case(case) if one.phase is ActionPhase.OBSERVED]
    if not observed:
        return []
    others = tx.actions.in_phases(BEGUN, observed[0].at)
    return [Lookback(one, outcome(one, dream, others, now)) for one in observed]


def look_back_since(tx: Tx, since: datetime, now: datetime) -> list[Lookback]:
    """Return every would-be action since then, oldest first."""
    observed = tx.actions.in_phases({ActionPhase.OBSERVED}, since)
    if not observed:
        return []
    others = tx.actions.in_phases(BEGUN, observed[0].at)
    past = [one for one in map(_past, tx.cases.recent(CaseKind.DREAM, MOST_PAST)) if one]
    found: list[Lookback] = []
    for action in observed:
        case = tx.cases.get(CaseId(action.proposal.case or ""))
        own = None if case is None else _past(case)
        ended = outcome(action, own.dream if own else None, others, now)
        known = estimate(action, own, past) if own else NO_RECORD
        found.append(Lookback(action, ended, known))
    return found


def _past(case: Case) -> Past | None:
    """What another version wrote is passed over."""
    try:
        return Past(case.fingerprint, Dream.model_validate(case.data))
    except ValidationError:
        return None
