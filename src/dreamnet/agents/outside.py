"""What is seen of the world outside: watched targets, and whether our heartbeat is heard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dreamnet.domain.dreams.view import Trouble, TroubleKind, View
from dreamnet.domain.outside import certificate
from dreamnet.domain.outside.certificate import Expiry
from dreamnet.domain.vitals import Verdict, Vitals
from dreamnet.domain.vitals import step as step_vitals
from dreamnet.model.facts import BeatOutcome, HeartbeatTold, WatchAnswered
from dreamnet.model.watches import Watch, WatchName, certificate_notice, certificate_target

HEARTBEAT = "heartbeat"
# So many intervals without a delivered beat are a dream; by then the outside calls somebody.
UNHEARD_INTERVALS = 3


@dataclass
class WatchSeen:
    """A watch with what its answers amount to."""

    watch: Watch
    vitals: Vitals = field(default_factory=Vitals)
    answer: WatchAnswered | None = None
    expiry: Expiry = field(default_factory=Expiry)

    def take(self, fact: WatchAnswered) -> bool:
        """Take in one answer; returns whether something turned."""
        before = (self.vitals.verdict, self.expiry.is_expiring(fact.at))
        self.vitals = step_vitals(self.vitals, fact, self.watch)
        self.answer = fact
        notice = certificate_notice(self.watch)
        if notice is not None and fact.certificate_ends is not None:
            self.expiry = certificate.step(self.expiry, fact.certificate_ends, notice, fact.at)
        return before != (self.vitals.verdict, self.expiry.is_expiring(fact.at))


@dataclass
class HeartbeatSeen:
    """What became of our heartbeats; `unheard` is the first in a row that was not delivered."""

    interval: timedelta
    last: HeartbeatTold | None = None
    delivered: datetime | None = None
    unheard: datetime | None = None
    good_in_row: int = 0

    def take(self, fact: HeartbeatTold) -> bool:
        """Take in one outcome; returns whether it is another one than before."""
        before, self.last = self.last, fact
        match fact.outcome:
            case BeatOutcome.DELIVERED:
                self.delivered, self.unheard = fact.at, None
                self.good_in_row += 1
            case BeatOutcome.UNDELIVERED:
                self.unheard = self.unheard or fact.at
                self.good_in_row = 0
            case BeatOutcome.WITHHELD:  # it tells of us, not of the way
                self.good_in_row = 0
        return before is None or before.outcome is not fact.outcome

    def view(self, now: datetime) -> View:
        """Return what dreams see of it."""
        trouble = None
        late = self.unheard is not None and now - self.unheard >= self.interval * UNHEARD_INTERVALS
        if late and self.last is not None:
            trouble = Trouble(TroubleKind.UNHEARD, f"it cannot be delivered: {self.last.output}")
        return View(
            target=HEARTBEAT,
            incarnation=HEARTBEAT if self.delivered else "",
            ever_ready=True,
            good_in_row=self.good_in_row,
            trouble=trouble,
            noticed=self.unheard,
        )


class Outside:
    """Kept by the world, for it has no instances, no route and no wanted number."""

    def __init__(self) -> None:
        self.watches: dict[WatchName, WatchSeen] = {}
        self.heartbeat: HeartbeatSeen | None = None

    def watch(self, watches: Iterable[Watch]) -> None:
        """Name what is watched."""
        self.watches.update({watch.name: WatchSeen(watch) for watch in watches})

    def beat(self, interval: timedelta) -> None:
        """Name how often a heartbeat is sent."""
        self.heartbeat = HeartbeatSeen(interval)

    def apply(self, fact: WatchAnswered | HeartbeatTold) -> bool:
        """Take in one fact; returns whether it is notable."""
        if isinstance(fact, HeartbeatTold):
            return self.heartbeat is not None and self.heartbeat.take(fact)
        seen = self.watches.get(fact.watch)
        return seen is not None and seen.take(fact)

    def views(self, now: datetime) -> dict[str, View]:
        """Return what dreams see of every target."""
        found = {} if self.heartbeat is None else {HEARTBEAT: self.heartbeat.view(now)}
        for name, seen in self.watches.items():
            found[name] = _reach(seen)
            if certificate_notice(seen.watch) is not None:
                target = certificate_target(name)
                found[target] = _certificate(target, seen.expiry, now)
        return found


def _reach(seen: WatchSeen) -> View:
    vitals, answer = seen.vitals, seen.answer
    failing = vitals.verdict is Verdict.FAILING
    trouble = None
    if failing and answer is not None and answer.failure is not None:
        unreachable = answer.failure.is_unreachable
        kind = TroubleKind.UNREACHABLE if unreachable else TroubleKind.WRONG_ANSWER
        trouble = Trouble(kind, answer.output)
    return View(
        target=seen.watch.name,
        incarnation=seen.watch.name if answer is not None else "",
        ever_ready=True,
        good_in_row=vitals.streak.goods,
        trouble=trouble,
        noticed=vitals.since if failing else None,
    )


def _certificate(target: str, expiry: Expiry, now: datetime) -> View:
    trouble = None
    if expiry.is_expiring(now) and expiry.soonest is not None:
        words = f"the certificate ends on {expiry.soonest:%Y-%m-%d %H:%M} UTC"
        trouble = Trouble(TroubleKind.CERTIFICATE_EXPIRING, words)
    return View(
        target=target,
        incarnation=target if expiry.ends is not None else "",
        ever_ready=True,
        good_in_row=expiry.fresh_in_row,
        trouble=trouble,
        noticed=expiry.warned if trouble is not None else None,
    )
