"""What the senses say: small statements about the world at an instant, never a judgement."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from dreamnet.model.instances import Exit, InstanceId
from dreamnet.model.record import Record
from dreamnet.model.services import Aspect, ServiceName, Slot
from dreamnet.model.watches import WatchFailure, WatchName


class InstanceExited(Record):
    """An instance's process ended."""

    kind: Literal["instance-exited"] = "instance-exited"
    at: datetime
    service: ServiceName
    slot: Slot
    instance: InstanceId
    exit: Exit


class Probed(Record):
    """One answer to one probe; `output` is at most 300 characters, without secrets.

    `late_ms` is how much later than planned it was asked: our own lateness, not the service's.
    `timed_out` when nothing came within the limit; `overrun_ms` is how long after the limit we took
    note of that, which is our own lateness too.
    """

    kind: Literal["probed"] = "probed"
    at: datetime
    service: ServiceName
    slot: Slot
    instance: InstanceId
    aspect: Aspect
    good: bool
    output: str = ""
    took_ms: float = 0.0
    late_ms: float = 0.0
    timed_out: bool = False
    overrun_ms: float = 0.0


class Answered(Record):
    """How an instance answered through the gateway over the last window."""

    kind: Literal["answered"] = "answered"
    at: datetime
    service: ServiceName
    address: str
    requests: int
    errors: int
    window_s: float


class PartDied(Record):
    """A part of DreamNet itself ended; `mended` says what already brought it back."""

    kind: Literal["part-died"] = "part-died"
    at: datetime
    part: Literal["gateway", "room", "node"]
    exit: Exit
    mended: str = ""


class PartHung(Record):
    """A part of DreamNet itself runs but has not answered for a while."""

    kind: Literal["part-hung"] = "part-hung"
    at: datetime
    part: Literal["gateway", "room"]
    words: str


class PartAnswered(Record):
    """A part of DreamNet itself answered a look at it."""

    kind: Literal["part-answered"] = "part-answered"
    at: datetime
    part: Literal["gateway", "room", "node"]


class GatewayRejected(Record):
    """The gateway kept its old table for it did not accept `rejected`; empty: all is well."""

    kind: Literal["gateway-rejected"] = "gateway-rejected"
    at: datetime
    version: str
    rejected: tuple[str, ...]


class EnvInvalid(Record):
    """Required variables of a service are missing or blank (names only)."""

    kind: Literal["env-invalid"] = "env-invalid"
    at: datetime
    service: ServiceName
    missing: tuple[str, ...] = ()
    blank: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


class WatchAnswered(Record):
    """One look at what is only watched; `failure` is None when it was good.

    `output` is ours, without credentials; `certificate_ends` is None where no trusted certificate
    was shown.
    """

    kind: Literal["watch-answered"] = "watch-answered"
    at: datetime
    watch: WatchName
    failure: WatchFailure | None = None
    output: str = ""
    took_ms: float = 0.0
    certificate_ends: datetime | None = None

    @property
    def good(self) -> bool:
        """Return whether the target is as it should be."""
        return self.failure is None


class BeatOutcome(StrEnum):
    """What became of one heartbeat; `withheld`: the node was not able to heal."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    WITHHELD = "withheld"


class HeartbeatTold(Record):
    """One heartbeat; `output` says why it was not delivered, without anything of its address."""

    kind: Literal["heartbeat-told"] = "heartbeat-told"
    at: datetime
    outcome: BeatOutcome
    output: str = ""


Fact = Annotated[
    InstanceExited
    | Probed
    | Answered
    | PartDied
    | PartHung
    | PartAnswered
    | GatewayRejected
    | EnvInvalid
    | WatchAnswered
    | HeartbeatTold,
    Field(discriminator="kind"),
]
fact_adapter: TypeAdapter[Fact] = TypeAdapter(Fact)
