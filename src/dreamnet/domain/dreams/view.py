"""What a dream can see of its target at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dreamnet.model.instances import Exit


class Condition(StrEnum):
    """The verdict of a probe's thresholds."""

    UNKNOWN = "unknown"
    WELL = "well"
    FAILING = "failing"


@dataclass(frozen=True)
class Peers:
    """The other slots of the same service that are wanted."""

    count: int = 0
    ready: int = 0
    erring: int = 0


@dataclass(frozen=True)
class View:
    """A target now: a slot, a service, a part of DreamNet or something that is only watched.

    `incarnation` names the present process (empty: none), `since` is when its present
    readiness verdict began, `good_in_row` counts good answers of every probe since a bad one.
    `silent` tells that the last bad answer was none in time: no refusal, no wrong status.
    `trouble` is a condition of a service or a part, in words, that no probe can tell.
    """

    target: str
    wanted: bool = True
    incarnation: str = ""
    ended: Exit | None = None
    live: Condition = Condition.UNKNOWN
    ready: Condition = Condition.UNKNOWN
    since: datetime | None = None
    output: str = ""
    silent: bool = False
    good_in_row: int = 0
    ever_ready: bool = False
    starting: bool = False
    requests: int = 0
    errors: int = 0
    erring: bool = False
    peers: Peers = Peers()
    trouble: Trouble | None = None
    noticed: datetime | None = None


class TroubleKind(StrEnum):
    """Conditions of a whole service, a part, or something outside; not of one instance."""

    ALL_UNREADY = "all-unready"
    ALL_ERRING = "all-erring"
    ENV_INVALID = "env-invalid"
    DIED = "died"
    HUNG = "hung"
    OVERLOADED = "overloaded"
    REJECTED = "gateway-rejected"
    UNREACHABLE = "unreachable"
    WRONG_ANSWER = "wrong-answer"
    CERTIFICATE_EXPIRING = "certificate-expiring"
    UNHEARD = "heartbeat-unheard"


@dataclass(frozen=True)
class Trouble:
    """A condition with its words; `mended` tells that somebody already acted (root did)."""

    kind: TroubleKind
    words: str
    mended: str = ""
