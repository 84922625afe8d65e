"""From a view to a symptom: what is wrong, how bad, and what the ladder of remedies is."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from enum import StrEnum

from dreamnet.domain.dreams.view import Condition, TroubleKind, View
from dreamnet.model.record import Record

# One unready replica is looked at a second time, so that a dependency which takes all of them one
# after the other becomes one dream of the service instead of one for each replica.
CONFIRM_UNREADY = timedelta(seconds=2)


class SymptomKind(StrEnum):
    """What is wrong; declared from the gravest to the mildest."""

    DIED = "died"
    HUNG = "hung"
    CANNOT_START = "cannot-start"
    CRASH = "crash"
    HANG = "hang"
    NEVER_READY = "never-ready"
    ERRORS = "errors"
    ENV_INVALID = "env-invalid"
    GATEWAY_REJECTED = "gateway-rejected"
    OVERLOADED = "overloaded"
    ALL_ERRING = "all-erring"
    ALL_UNREADY = "all-unready"
    UNREADY = "unready"
    UNREACHABLE = "unreachable"
    WRONG_ANSWER = "wrong-answer"
    CERTIFICATE_EXPIRING = "certificate-expiring"
    UNHEARD = "heartbeat-unheard"


class Remedy(StrEnum):
    """What may be done, from the mildest to the last."""

    WAIT = "wait"
    RESTART = "restart"
    REPLACE = "replace"
    ESCALATE = "escalate"


_GRAVITY = {kind: rank for rank, kind in enumerate(SymptomKind)}

# A hung or erring instance is replaced first: the new one starts beside it, so a wrong diagnosis
# costs nothing. A dead one can only be restarted. What a restart cannot cure is waited out. What
# lies outside is never touched: a person is told.
_LADDERS: dict[SymptomKind, tuple[Remedy, ...]] = {
    SymptomKind.DIED: (Remedy.RESTART,),
    SymptomKind.HUNG: (Remedy.RESTART,),
    SymptomKind.CANNOT_START: (Remedy.RESTART,),
    SymptomKind.CRASH: (Remedy.RESTART,),
    SymptomKind.HANG: (Remedy.REPLACE, Remedy.RESTART),
    SymptomKind.NEVER_READY: (Remedy.RESTART,),
    SymptomKind.ERRORS: (Remedy.REPLACE, Remedy.RESTART),
    SymptomKind.ENV_INVALID: (Remedy.ESCALATE,),
    SymptomKind.GATEWAY_REJECTED: (Remedy.ESCALATE,),
    SymptomKind.OVERLOADED: (Remedy.WAIT,),
    SymptomKind.ALL_ERRING: (Remedy.WAIT,),
    SymptomKind.ALL_UNREADY: (Remedy.WAIT,),
    SymptomKind.UNREADY: (Remedy.WAIT,),
    SymptomKind.UNREACHABLE: (Remedy.ESCALATE,),
    SymptomKind.WRONG_ANSWER: (Remedy.ESCALATE,),
    SymptomKind.CERTIFICATE_EXPIRING: (Remedy.ESCALATE,),
    SymptomKind.UNHEARD: (Remedy.ESCALATE,),
}

_TROUBLES = {
    TroubleKind.ALL_UNREADY: SymptomKind.ALL_UNREADY,
    TroubleKind.ALL_ERRING: SymptomKind.ALL_ERRING,
    TroubleKind.ENV_INVALID: SymptomKind.ENV_INVALID,
    TroubleKind.DIED: SymptomKind.DIED,
    TroubleKind.HUNG: SymptomKind.HUNG,
    TroubleKind.OVERLOADED: SymptomKind.OVERLOADED,
    TroubleKind.REJECTED: SymptomKind.GATEWAY_REJECTED,
    TroubleKind.UNREACHABLE: SymptomKind.UNREACHABLE,
    TroubleKind.WRONG_ANSWER: SymptomKind.WRONG_ANSWER,
    TroubleKind.CERTIFICATE_EXPIRING: SymptomKind.CERTIFICATE_EXPIRING,
    TroubleKind.UNHEARD: SymptomKind.UNHEARD,
}


class Symptom(Record):
    """What is wrong with a target, in words a person understands."""

    kind: SymptomKind
    words: str

    def graver_than(self, other: Symptom) -> bool:
        """Return whether this one should take over the story of the other."""
        return _GRAVITY[self.kind] < _GRAVITY[other.kind]


def remedy_for(kind: SymptomKind, tries: int) -> Remedy:
    """Return the remedy after `tries` of them; the last rung repeats."""
    ladder = _LADDERS[kind]
    return ladder[min(tries, len(ladder) - 1)]


def diagnose(view: View, now: datetime) -> Symptom | None:
    """Return what is wrong with a target, or None when it looks well or is still starting."""
    if not view.wanted:
        return None
    if view.trouble is not None:
        return Symptom(kind=_TROUBLES[view.trouble.kind], words=view.trouble.words)
    if view.ended is not None:
        return _end(view)
    if not view.incarnation:
        return None
    return _failing(view, now)


def _end(view: View) -> Symptom | None:
    ended = view.ended
    if ended is None or ended.expected:
        return None
    kind = SymptomKind.CANNOT_START if ended.reason else SymptomKind.CRASH
    return Symptom(kind=kind, words=str(ended))


def _failing(view: View, now: datetime) -> Symptom | None:
    if view.starting:
        return None
    # Before the hang: what never served is not worth a second process beside it.
    if not view.ever_ready:
        return Symptom(kind=SymptomKind.NEVER_READY, words=f"never became ready: {view.output}")
    if view.live is Condition.FAILING:
        return Symptom(kind=SymptomKind.HANG, words=f"liveness fails: {view.output}")
    if view.erring and view.peers.erring == 0:
        share = f"{view.errors} of {view.requests} requests failed"
        return Symptom(kind=SymptomKind.ERRORS, words=share)
    if view.ready is Condition.FAILING and view.peers.ready > 0:
        confirmed = view.since is not None and now - view.since >= CONFIRM_UNREADY
        return _unready(view) if confirmed else None
    return None


def _unready(view: View) -> Symptom:
    return Symptom(kind=SymptomKind.UNREADY, words=f"readiness fails: {view.output}")


_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")
_LONG_WORDS = re.compile(r"\b[0-9a-fA-F-]{16,}\b")


def normalise_log_line(line: str) -> str:
    """Return a log line without what differs between two events of one kind."""
    return _NUMBERS.sub("#", _LONG_WORDS.sub("*", line)).strip()[:200]


def fingerprint(service: str, symptom: Symptom, log_line: str = "") -> str:
    """Return 16 hex digits that are the same for the same trouble of the same service."""
    words = normalise_log_line(symptom.words)
    text = "\n".join((service, symptom.kind, words, normalise_log_line(log_line)))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
