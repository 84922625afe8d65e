"""The only door to the world: judges a proposal, records it and queues the action, in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from dreamnet.domain.reef.settlement import (
    Judgement,
    Occupant,
    Reef,
    attempt_settlement,
    mode_for,
)
from dreamnet.drivers.store.base import Store, Tx
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.duration import format_duration
from dreamnet.kernel.errors import Conflict, NotFound
from dreamnet.kernel.ids import fresh_id
from dreamnet.model.actions import (
    Action,
    ActionId,
    ActionPhase,
    Agent,
    Observed,
    Office,
    Proposal,
    Rejected,
    Settled,
    Waiting,
)
from dreamnet.model.cases import CaseId
from dreamnet.model.events import EventKind
from dreamnet.model.messages import Message, MessageId
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy

LEASE = timedelta(seconds=3)

Verdict = Settled | Waiting | Observed | Rejected


class KillSwitch:
    """A file in the data directory; while it is there no action is let out."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def thrown(self) -> bool:
        """Return whether DreamNet is halted; an unreadable answer counts as halted."""
        try:
            self._file.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True


@dataclass(frozen=True)
class DeskParts:
    """What a desk needs.

    `owner` names this node, `queued` is called when messages wait, `untouchable` are the targets
    that are only watched.
    """

    store: Store
    policy: ReefPolicy | None
    switch: KillSwitch
    clock: Clock
    owner: str
    queued: Callable[[], None]
    untouchable: frozenset[str] = frozenset()


class Desk:
    """Judges, records and queues; performers claim here and report their outcomes here."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._said: dict[str, str] = {}

    def halted(self) -> bool:
        """Return whether the kill switch is thrown."""
        return self._parts.switch.thrown()

    def judge(self, tx: Tx, proposal: Proposal) -> Verdict:
        """Judge within the caller's transaction; a repeated key returns the first verdict."""
        tx.actions.lock()
        known = self._known(tx, proposal)
        if known is not None:
            return _verdict_of(known)
        judgement = attempt_settlement(proposal, self._reef(tx))
        if judgement.permitted:
            return self._begun(tx, proposal, ActionPhase.PERMITTED, judgement)
        if judgement.waits:
            return self._begun(tx, proposal, ActionPhase.PROPOSED, judgement)
        if judgement.observed:
            apart = proposal.model_copy(update={"key": _observed_key(proposal)})
            return self._begun(tx, apart, ActionPhase.OBSERVED, judgement)
        return self._refuse(tx, proposal, judgement)

    def _known(self, tx: Tx, proposal: Proposal) -> Action | None:
        """Return what the key made before, unless it is a suggestion that is out of date."""
        office = self._office(proposal)
        known = tx.actions.by_key(proposal.key)
        if known is not None and known.phase is ActionPhase.PROPOSED:
            stale = self._why_stale(known, office)
            if not stale:
                return known
            self._take_back(tx, known, stale)
            known = None
        if known is None and office and mode_for(proposal, office) is OfficeMode.OBSERVE:
            return tx.actions.by_key(_observed_key(proposal))
        return known

    def _office(self, proposal: Proposal) -> OfficePolicy | None:
        policy = self._parts.policy
        return policy.office(proposal.office) if policy is not None else None

    def _why_stale(self, waiting: Action, office: OfficePolicy | None) -> str:
        """Return why a suggestion must not be answered any more, empty when it may be."""
        if office is None or mode_for(waiting.proposal, office) is not OfficeMode.SUGGEST:
            return f"office {waiting.proposal.office} suggests no more"
        late = self._parts.clock.now() - waiting.at >= office.expires
        return f"not answered within {format_duration(office.expires)}" if late else ""

    def _begun(
        self, tx: Tx, proposal: Proposal, phase: ActionPhase, judgement: Judgement
    ) -> Verdict:
        now = self._parts.clock.now()
        ended = now if phase is ActionPhase.OBSERVED else None
        action = Action(
            id=ActionId(fresh_id("act")),
            proposal=proposal,
            phase=phase,
            at=now,
            detail=judgement.reason if ended else "",
            ended=ended,
        )
        tx.actions.insert(action)
        if phase is ActionPhase.PERMITTED:
            self._let_out(tx, action)
        else:
            observed = phase is ActionPhase.OBSERVED
            kind = EventKind.ACTION_OBSERVED if observed else EventKind.ACTION_PROPOSED
            self._record(tx, kind, action, judgement.reason)
        return _verdict_of(action)

    def withdraw(self, tx: Tx, case: CaseId, keep: str | None) -> None:
        """Take back what a case asked for and needs no more, all but the proposal of key `keep`."""
        for action in tx.actions.of_case(case):
            if action.phase is ActionPhase.PROPOSED and action.proposal.key != keep:
                self._take_back(tx, action, "no longer needed")

    def _take_back(self, tx: Tx, waiting: Action, words: str) -> None:
        tx.actions.withdraw(waiting.id, words, self._parts.clock.now())
        self._record(tx, EventKind.ACTION_WITHDRAWN, waiting, words)

    async def propose(self, proposal: Proposal) -> Verdict:
        """Judge in a transaction of its own."""
        return await self._parts.store.tx(lambda tx: self.judge(tx, proposal))

    async def decide(self, action_id: ActionId, *, approve: bool, by: str = "a person") -> Action:
        """Carry out a person's decision on a waiting action; `Conflict` when it is decided."""

        def work(tx: Tx) -> Action:
            tx.actions.lock()
            action = tx.actions.get(action_id)
            if action is None:
                raise NotFound.of(f"there is no action {action_id}", mend="dreamnet reef status")
            if action.phase is not ActionPhase.PROPOSED:
                raise Conflict.of(f"{action_id} is already {action.phase}")
            stale = self._why_stale(action, self._office(action.proposal))
            if approve and stale:
                mend = "look what is suggested now: dreamnet reef status"
                raise Conflict.of(f"{action_id} is out of date: {stale}", mend=mend)
            return self._decided(tx, action, approve=approve, by=by)

        return await self._parts.store.tx(work)

    def _decided(self, tx: Tx, action: Action, *, approve: bool, by: str) -> Action:
        now = self._parts.clock.now()
        if not approve:
            tx.actions.decide(action.id, ActionPhase.REJECTED, f"denied by {by}", now)
            denied = action.model_copy(update={"phase": ActionPhase.REJECTED})
            self._record(tx, EventKind.ACTION_DENIED, denied, f"denied by {by}")
            return denied
        judgement = attempt_settlement(action.proposal, self._reef(tx), approved=True)
        if not judgement.permitted:
            raise Conflict.of(f"not now: {judgement.reason}", mend=judgement.mend)
        tx.actions.decide(action.id, ActionPhase.PERMITTED, f"approved by {by}", now)
        permitted = action.model_copy(update={"phase": ActionPhase.PERMITTED})
        self._let_out(tx, permitted)
        return permitted

    async def claim(self, performer: Agent) -> list[Action]:
        """Lease what waits for a performer; nothing while the kill switch is thrown."""
        if self.halted():
            return []
        now, owner = self._parts.clock.now(), self._parts.owner
        return await self._parts.store.tx(lambda tx: tx.actions.claim(performer, owner, now, LEASE))

    def release(self, tx: Tx) -> int:
        """Free what an earlier run of this node was performing; returns how many actions.

        Only at the start: who holds the data directory knows that its predecessor is dead.
        """
        return tx.actions.release(self._parts.owner, self._parts.clock.now())

    async def renew(self, action: Action) -> bool:
        """Extend a claimed action's lease; false when somebody else holds it by now."""
        until = self._parts.clock.now() + LEASE
        return await self._parts.store.tx(lambda tx: tx.actions.renew(action, until))

    async def finish(self, action: Action, *, succeeded: bool, detail: str) -> bool:
        """Record an outcome and tell the proposer; false when the lease was lost (it is void)."""
        phase = ActionPhase.SUCCEEDED if succeeded else ActionPhase.FAILED
        kind = EventKind.ACTION_SUCCEEDED if succeeded else EventKind.ACTION_FAILED
        now = self._parts.clock.now()

        def work(tx: Tx) -> bool:
            if not tx.actions.finish(action, phase, detail, now):
                return False
            proposal = action.proposal
            ended = action.model_copy(update={"detail": detail})
            self._send(tx, (proposal.performer, proposal.agent), f"action-{phase}", ended)
            self._record(tx, kind, action, detail)
            return True

        return await self._parts.store.tx(work)

    async def record(self, kind: EventKind, subject: str, body: dict[str, Any]) -> None:
        """Write down something that happened and is nobody's action, for the timeline."""
        now = self._parts.clock.now()
        await self._parts.store.tx(lambda tx: tx.ledger.append(kind, subject, body, now))

    def _reef(self, tx: Tx) -> Reef:
        occupants = tuple(
            Occupant(
                office=action.proposal.office,
                target=action.proposal.target,
                disruptive=action.proposal.disruptive,
                phase=action.phase,
            )
            for action in tx.actions.active()
        )
        return Reef(
            self._parts.policy,
            occupants,
            halted=self.halted(),
            untouchable=self._parts.untouchable,
        )

    def _let_out(self, tx: Tx, action: Action) -> None:
        proposal = action.proposal
        self._send(tx, (proposal.agent, proposal.performer), _word_for(proposal), action)
        self._record(tx, EventKind.ACTION_PERMITTED, action, proposal.reason)
        tx.after_commit(lambda: _drop(self._said, proposal.target))

    def _refuse(self, tx: Tx, proposal: Proposal, judgement: Judgement) -> Rejected:
        """Record a refusal once, not each time the same question is asked again."""
        words = f"{proposal.verb}: {judgement.reason}"
        if self._said.get(proposal.target) != words:
            tx.after_commit(lambda: self._said.update({proposal.target: words}))
            body = {"proposal": proposal.model_dump(mode="json"), "reason": judgement.reason}
            tx.ledger.append(
                EventKind.ACTION_REFUSED, proposal.target, body, self._parts.clock.now()
            )
        return Rejected(
            reason=judgement.reason, mend=judgement.mend, retry_after_s=judgement.retry_after_s
        )

    def _send(self, tx: Tx, way: tuple[Agent, Agent], word: str, action: Action) -> None:
        sender, to = way
        payload = {"action": action.id, "target": action.proposal.target, "detail": action.detail}
        if action.proposal.case is not None:
            payload["case"] = action.proposal.case
        tx.messages.send(
            Message(
                id=MessageId(fresh_id("msg")),
                at=self._parts.clock.now(),
                sender=sender,
                to=to,
                message=word,
                payload=payload,
            )
        )
        tx.after_commit(self._parts.queued)

    def _record(self, tx: Tx, kind: EventKind, action: Action, detail: str) -> None:
        body = {"action": action.id, "detail": detail, **action.proposal.model_dump(mode="json")}
        tx.ledger.append(kind, action.proposal.target, body, self._parts.clock.now())


def _drop(said: dict[str, str], target: str) -> None:
    said.pop(target, None)


def _word_for(proposal: Proposal) -> str:
    if proposal.office is Office.HEAL or proposal.agent is Agent.DREAMKEEPER:
        return f"health-check-failed-needs-{proposal.verb}"
    return f"{proposal.verb}-requested"


def _observed_key(proposal: Proposal) -> str:
    """An observed action leaves its key free, for the day on which the office is trusted."""
    return f"observed:{proposal.key}"


def _verdict_of(action: Action) -> Verdict:
    if action.phase is ActionPhase.PROPOSED:
        return Waiting(action=action)
    if action.phase is ActionPhase.OBSERVED:
        return Observed(action=action)
    if action.phase is ActionPhase.REJECTED:
        return Rejected(reason=action.detail or "denied", retry_after_s=None)
    return Settled(action=action)
