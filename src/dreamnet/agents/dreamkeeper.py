"""DreamKeeper: opens dreams, asks the desk for remedies, proves them and tells the story."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from dreamnet.agents.desk import Desk
from dreamnet.agents.hindsight import look_back
from dreamnet.agents.look import Look, look_at
from dreamnet.agents.views import view_of
from dreamnet.agents.world import PARTS, World
from dreamnet.domain.dreams.diagnosis import Remedy, Symptom, fingerprint
from dreamnet.domain.dreams.dream import (
    ActionEnd,
    Dream,
    Phase,
    Seen,
    observed,
    open_dream,
    rejected,
    settled,
    step,
    suggested,
)
from dreamnet.domain.dreams.storm import held
from dreamnet.domain.dreams.view import View
from dreamnet.drivers.store.base import Store, Tx
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.ids import fresh_id
from dreamnet.kernel.log import logger
from dreamnet.model.actions import (
    ActionId,
    ActionPhase,
    Agent,
    Observed,
    Office,
    Proposal,
    Settled,
    Verb,
)
from dreamnet.model.actions import Waiting as WaitingForApproval
from dreamnet.model.cases import Case, CaseId, CaseKind
from dreamnet.model.events import EventKind
from dreamnet.model.instances import slot_target
from dreamnet.model.messages import Message
from dreamnet.model.policy import HealPolicy
from dreamnet.model.services import ServiceName, Slot

MOST_STEPS = 12
# While a story is under way its target is looked at this often, so that proof is not late.
ATTENTIVE_S = 0.2
LONG_WAIT = timedelta(seconds=2)

Bundle = Callable[[str], Awaitable[dict[str, Any]]]

log = logger("dreamkeeper")


class DreamKeeper:
    """Keeps every dream; decides nothing itself: `domain.dreams` does, purely."""

    def __init__(
        self, store: Store, desk: Desk, world: World, policy: HealPolicy, bundle: Bundle
    ) -> None:
        self._store = store
        self._desk = desk
        self._world = world
        self._policy = policy
        self._bundle = bundle
        self._clock: Clock = world.clock
        self._parked: set[CaseId] = set()
        self.wake = world.subscribe()

    async def receive(self, message: Message) -> None:
        """Look again: an action of ours has ended, or somebody asks for attention."""
        log.debug("message", message=message.message, payload=message.payload)
        self.wake.ring()

    async def tick(self) -> None:
        """Open what is new, advance what is live, and note what is backing off."""
        now = self._clock.now()
        look = look_at(self._world, now)
        live = await self._store.read(lambda tx: tx.cases.live(CaseKind.DREAM))
        if live or any(look.symptoms.values()):
            cases = await self._store.tx(lambda tx: self._advance_all(tx, look))
            await self._after(cases, now)
        else:
            self._world.mark_backing_off(frozenset())

    async def _after(self, cases: list[Case], now: datetime) -> None:
        dreams = [(case, dream_of(case)) for case in cases]
        for case, dream in dreams:
            if dream.phase is Phase.ESCALATED and not dream.bundle:
                await self._attach_bundle(case, dream)
            if dream.phase is Phase.RESOLVED and dream.target in PARTS:
                self._world.clear_trouble(dream.target)
        waits = _waiting([dream for _, dream in dreams], now)
        self._world.mark_backing_off(_backing_off(waits, self._world.desired))
        if any(dream.phase in (Phase.ACTING, Phase.VERIFYING, Phase.OPEN) for _, dream in dreams):
            await self._attend()

    async def _attend(self) -> None:
        """Sleep shortly, so that the next tick comes soon; a ring ends it at once."""
        await self.wake.wait(ATTENTIVE_S)
        self.wake.ring()

    def _advance_all(self, tx: Tx, look: Look) -> list[Case]:
        cases = tx.cases.live(CaseKind.DREAM)
        dreaming = {case.target for case in cases}
        for target, symptom in look.symptoms.items():
            if symptom is not None and target not in dreaming:
                opened = self._open(tx, look.views[target], symptom, look.now)
                cases = [*cases, opened] if opened is not None else cases
        readable = [case for case in cases if self._is_readable(case)]
        look.dreams.update({case.id: dream_of(case) for case in readable})
        return [self._advance(tx, case, look) for case in readable]

    def _is_readable(self, case: Case) -> bool:
        """What another version or a bad hand wrote is parked and said, never guessed."""
        try:
            dream_of(case)
        except ValidationError:
            if case.id not in self._parked:
                self._parked.add(case.id)
                log.exception("dream parked: this version cannot read it", id=case.id)
            return False
        return True

    def _open(self, tx: Tx, view: View, symptom: Symptom, now: datetime) -> Case | None:
        since = now - self._policy.flap_window
        earlier = tx.cases.closed_since(CaseKind.DREAM, view.target, since)
        told = [dream_of(case) for case in earlier if self._is_readable(case)]
        alike = sum(1 for dream in told if dream.symptom.kind is symptom.kind)
        carried = max(0, alike - self._policy.flap_limit)
        dream = open_dream(view, symptom, carried=carried, now=now)
        service = view.target.partition("/")[0]
        case = Case(
            id=CaseId(fresh_id("dream")),
            kind=CaseKind.DREAM,
            target=view.target,
            fingerprint=fingerprint(service, symptom),
            phase=dream.phase,
            live=True,
            opened=now,
            updated=now,
            data=dream.model_dump(mode="json"),
        )
        opened = tx.cases.open(case)
        if opened is not None:
            self._tell(tx, opened, dream)
        return opened

    def _advance(self, tx: Tx, case: Case, look: Look) -> Case:
        now = look.now
        view = look.views.get(case.target) or view_of(self._world, case.target, now)
        before = dream = look.dreams[case.id]
        for _ in range(MOST_STEPS):
            stepped = step(dream, self._seen(tx, dream, view), self._policy, now)
            following = stepped.dream
            if stepped.remedy is not None and look.holds(dream):
                following = held(dream, now)
            elif stepped.remedy is not None:
                following = self._ask(tx, case, following, stepped.remedy, now)
            if following == dream:
                break
            dream = following
            if dream.phase in (Phase.ACTING, Phase.RESOLVED):
                break
        look.dreams[case.id] = dream
        return case if dream == before else self._save(tx, case, dream, before, now)

    def _save(self, tx: Tx, case: Case, dream: Dream, before: Dream, now: datetime) -> Case:
        if not dream.live:
            dream = self._look_back(tx, case, dream, now)
        data = dream.model_dump(mode="json")
        changes = {"phase": dream.phase, "live": dream.live, "updated": now, "data": data}
        saved = tx.cases.advance(case.model_copy(update=changes))
        if saved is None:
            return case
        if before.phase is Phase.PROPOSED:
            waits = dream.phase is Phase.PROPOSED
            self._desk.withdraw(tx, case.id, _key(case, dream) if waits else None)
        if dream.story != before.story:
            self._tell(tx, saved, dream)
        return saved

    def _look_back(self, tx: Tx, case: Case, dream: Dream, now: datetime) -> Dream:
        """Write down how it ended without what was only observed."""
        told: list[str] = []
        for one in look_back(tx, case.id, dream, now):
            would, ending = one.action, one.outcome
            told.append(f"would {would.proposal.verb} ({would.id}): {ending.words}")
            body = {"action": would.id, "dream": case.id, "ending": ending.ending}
            body |= {"detail": told[-1]}
            tx.ledger.append(EventKind.WOULD_ENDED, case.target, body, now)
        return dream.model_copy(update={"report": "; ".join(told)})

    def _seen(self, tx: Tx, dream: Dream, view: View) -> Seen:
        if dream.phase is not Phase.ACTING:
            return Seen(view)
        action = tx.actions.get(ActionId(dream.action))
        if action is None:
            return Seen(view, ActionEnd.FAILED, "the action is not on record")
        match action.phase:
            case ActionPhase.SUCCEEDED:
                return Seen(view, ActionEnd.SUCCEEDED, action.detail)
            case ActionPhase.FAILED | ActionPhase.REJECTED:
                return Seen(view, ActionEnd.FAILED, action.detail)
            case _:
                return Seen(view)

    def _ask(self, tx: Tx, case: Case, dream: Dream, remedy: Remedy, now: datetime) -> Dream:
        verdict = self._desk.judge(tx, _proposal(case, dream, remedy))
        match verdict:
            case Settled():
                return settled(dream, remedy, verdict.action.id, now)
            case WaitingForApproval():
                return suggested(dream, remedy, verdict.action.id, now)
            case Observed():
                return observed(dream, remedy, verdict.action.id, now)
            case _:
                after = verdict.retry_after_s
                pause = None if after is None else timedelta(seconds=after)
                return rejected(dream, verdict.reason, pause, now)

    def _tell(self, tx: Tx, case: Case, dream: Dream) -> None:
        words = dream.story[-1].words
        body = {"dream": case.id, "phase": dream.phase, "symptom": dream.symptom.kind}
        tx.ledger.append(EventKind.DREAM, case.target, body | {"words": words}, self._clock.now())
        log.info("dream", id=case.id, target=case.target, phase=str(dream.phase), words=words)

    async def _attach_bundle(self, case: Case, dream: Dream) -> None:
        bundle = await self._bundle(dream.target)
        told = dream.model_copy(update={"bundle": bundle | {"tries": len(dream.tries)}})
        changes = {"data": told.model_dump(mode="json")}
        await self._store.tx(lambda tx: tx.cases.advance(case.model_copy(update=changes)))


def dream_of(case: Case) -> Dream:
    """Return the dream that a case holds."""
    return Dream.model_validate(case.data)


def _proposal(case: Case, dream: Dream, remedy: Remedy) -> Proposal:
    part = dream.target in PARTS
    return Proposal(
        key=_key(case, dream),
        agent=Agent.DREAMKEEPER,
        performer=Agent.WEAVER if part else Agent.DEPLOYKEEPER,
        office=Office.GATEWAY if part else Office.HEAL,
        verb=Verb.REPLACE if remedy is Remedy.REPLACE else Verb.RESTART,
        target=dream.target,
        args={"symptom": dream.symptom.kind},
        reason=f"{dream.symptom.kind}: {dream.symptom.words}",
        case=case.id,
    )


def _key(case: Case, dream: Dream) -> str:
    """The same question has the same key: a try of a dream, for what is wrong now."""
    return f"{case.id}:{len(dream.tries)}:{dream.symptom.kind}"


def _waiting(dreams: list[Dream], now: datetime) -> frozenset[str]:
    """Return the targets whose healing waits long, waits for a person, or gave up."""
    return frozenset(
        dream.target
        for dream in dreams
        if dream.phase in (Phase.ESCALATED, Phase.PROPOSED, Phase.WATCHING)
        or (dream.phase is Phase.DIAGNOSING and dream.due - now > LONG_WAIT)
    )


def _backing_off(
    waits: frozenset[str], desired: Mapping[ServiceName, int]
) -> frozenset[ServiceName]:
    """Return the services of which no slot will be back soon; one that may is worth a wait."""
    return frozenset(
        name
        for name, count in desired.items()
        if name in waits
        or (count and all(slot_target(name, Slot(one + 1)) in waits for one in range(count)))
    )
