"""What is seen of the world outside: targets that are watched and never touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from dreamnet.domain.dreams.view import Trouble, TroubleKind, View
from dreamnet.domain.outside import certificate
from dreamnet.domain.outside.certificate import Expiry
from dreamnet.domain.vitals import Verdict, Vitals
from dreamnet.domain.vitals import step as step_vitals
from dreamnet.model.facts import WatchAnswered
from dreamnet.model.watches import Watch, WatchName, certificate_notice, certificate_target


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


class Outside:
    """Kept by the world, for it has no instances, no route and no wanted number."""

    def __init__(self) -> None:
        self.watches: dict[WatchName, WatchSeen] = {}

    def watch(self, watches: Iterable[Watch]) -> None:
        """Name what is watched."""
        self.watches.update({watch.name: WatchSeen(watch) for watch in watches})

    def apply(self, fact: WatchAnswered) -> bool:
        """Take in one fact; returns whether it is notable."""
        seen = self.watches.get(fact.watch)
        return seen is not None and seen.take(fact)

    def views(self, now: datetime) -> dict[str, View]:
        """Return what dreams see of every target."""
        found: dict[str, View] = {}
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
