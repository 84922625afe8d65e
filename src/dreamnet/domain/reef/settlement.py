"""Judges one proposal: may it settle now, must it wait for a person, or is it refused and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dreamnet.model.actions import ActionPhase, Agent, Proposal, Verb, overlaps
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy

_ACTIVE = frozenset({ActionPhase.PERMITTED, ActionPhase.CLAIMED})
_RETRY_BUSY_S = 0.5
_RETRY_HALTED_S = 5.0

# Who may do what at all; anything not named here is refused, whatever the policy says.
_PERFORMERS: dict[Agent, frozenset[Verb]] = {
    Agent.DEPLOYKEEPER: frozenset({Verb.START, Verb.STOP, Verb.RESTART, Verb.REPLACE, Verb.SCALE}),
    Agent.WEAVER: frozenset({Verb.RESTART}),
    Agent.ROOT: frozenset({Verb.RESTART}),
}


@dataclass(frozen=True)
class Occupant:
    """An action that holds a slot of an office now."""

    office: str
    target: str
    disruptive: bool
    phase: ActionPhase


@dataclass(frozen=True)
class Reef:
    """What a judgement looks at: the policy, who is in, the kill switch, what is only watched."""

    policy: ReefPolicy | None
    occupants: tuple[Occupant, ...] = ()
    halted: bool = False
    untouchable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Judgement:
    """`permitted`, or `waits` for a yes, or `observed` (it would be permitted, were it trusted).

    Else it is refused: `reason`, what mends it, when to ask again (seconds; None: never).
    """

    permitted: bool = False
    waits: bool = False
    observed: bool = False
    reason: str = ""
    mend: str = ""
    retry_after_s: float | None = _RETRY_BUSY_S


def mode_for(proposal: Proposal, office: OfficePolicy) -> OfficeMode:
    """Return the mode that a proposal meets: degrees of trust are for agents, not for people."""
    if office.mode is OfficeMode.FORBID or proposal.is_autonomous:
        return office.mode
    return OfficeMode.AUTO


def attempt_settlement(proposal: Proposal, reef: Reef, *, approved: bool = False) -> Judgement:
    """Return the judgement on a proposal; without a policy everything is refused."""
    if any(overlaps(proposal.target, one) for one in reef.untouchable):
        return _never(f"{proposal.target} is only watched: nothing is ever done to it")
    if reef.halted:
        return Judgement(
            reason="DreamNet is halted",
            mend="dreamnet resume",
            retry_after_s=_RETRY_HALTED_S,
        )
    if reef.policy is None:
        return Judgement(
            reason="no policy is loaded", mend="load a policy: [reef] in dreamnet.toml"
        )
    if proposal.verb not in _PERFORMERS.get(proposal.performer, frozenset()):
        return _never(f"{proposal.performer} may not {proposal.verb}")
    office = reef.policy.office(proposal.office)
    if office is None:
        known = ", ".join(sorted(reef.policy.offices))
        return _never(f"unknown office {proposal.office}", f"one of: {known}")
    return _within(office, proposal, reef.occupants, approved=approved)


def _never(reason: str, mend: str = "") -> Judgement:
    return Judgement(reason=reason, mend=mend, retry_after_s=None)


def find_best_slot(capacity: int, occupied: Iterable[int]) -> int | None:
    """Return the first free slot of an office, counted from 0, or None when it is full."""
    taken = set(occupied)
    return next((slot for slot in range(capacity) if slot not in taken), None)


def _within(
    office: OfficePolicy, proposal: Proposal, occupants: tuple[Occupant, ...], *, approved: bool
) -> Judgement:
    active = [occupant for occupant in occupants if occupant.phase in _ACTIVE]
    mode = mode_for(proposal, office)
    if mode is OfficeMode.FORBID:
        mend = f'set mode = "auto" or "suggest" in [reef.offices.{proposal.office}]'
        return _never(f"office {proposal.office} is forbidden", mend)
    busy = _busy_target(proposal, active)
    if busy is not None:
        return Judgement(reason=f"another action holds {busy}", mend="wait until it has ended")
    held = sum(1 for occupant in active if occupant.office == proposal.office)
    if find_best_slot(office.capacity, range(held)) is None:
        return Judgement(
            reason=f"office {proposal.office} is full ({held} of {office.capacity})",
            mend="wait, or raise its capacity",
        )
    if approved or mode is OfficeMode.AUTO:
        return Judgement(permitted=True)
    if mode is OfficeMode.OBSERVE:
        return Judgement(observed=True, reason=f"office {proposal.office} only observes")
    return Judgement(waits=True, reason=f"office {proposal.office} suggests: a person says yes")


def _busy_target(proposal: Proposal, active: list[Occupant]) -> str | None:
    if not proposal.disruptive:
        return None
    for occupant in active:
        if occupant.disruptive and overlaps(occupant.target, proposal.target):
            return occupant.target
    return None
