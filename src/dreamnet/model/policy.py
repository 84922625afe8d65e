"""What agents may do and how patient they are: the policies that operators set."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from dreamnet.kernel.duration import Duration
from dreamnet.model.actions import Office
from dreamnet.model.record import Record


class OfficeMode(StrEnum):
    """How far agents are trusted with an office, from not at all to alone."""

    FORBID = "forbid"
    OBSERVE = "observe"
    SUGGEST = "suggest"
    AUTO = "auto"


class OfficePolicy(Record):
    """How much one office may do at once, and who decides."""

    capacity: int = Field(ge=0, description="actions under way at the same time; 0 lets none out")
    mode: OfficeMode = Field(
        default=OfficeMode.AUTO,
        description='"auto": agents act; "suggest": a person says yes first; "observe": what would '
        'be done is only written down; "forbid": nobody acts, people included',
    )
    expires: Duration = Field(
        default=timedelta(hours=1),
        ge=timedelta(seconds=1),
        description="how long a suggestion waits for a yes; then it is withdrawn, and made anew "
        "while it is still needed, so that no old yes meets a new situation",
    )


DEFAULT_CAPACITY = {
    Office.HEAL: 16,
    Office.DEPLOY: 8,
    Office.SCALE: 4,
    Office.GATEWAY: 2,
}


def _default_offices() -> dict[Office, OfficePolicy]:
    return {office: OfficePolicy(capacity=many) for office, many in DEFAULT_CAPACITY.items()}


class ReefPolicy(Record):
    """The offices; one that is not named here lets nothing out (fail closed)."""

    offices: dict[Office, OfficePolicy] = Field(default_factory=_default_offices)

    def office(self, name: Office) -> OfficePolicy | None:
        """Return the policy of an office; None means that every action is refused."""
        return self.offices.get(name)


class HealPolicy(Record):
    """How DreamKeeper heals, verifies, backs off and gives up."""

    stabilise: Duration = Field(
        default=timedelta(seconds=2),
        description="wait after a remedy before good probes count, so that a lucky one does not",
    )
    good_probes: int = Field(
        default=3, ge=1, le=1000, description="good probes in a row that prove a remedy worked"
    )
    backoff: Duration = Field(
        default=timedelta(minutes=1),
        ge=timedelta(milliseconds=1),
        description="pause after the first remedy that did not help; each further one doubles it",
    )
    backoff_cap: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(milliseconds=1),
        description="longest such pause, so that a recovered cause is noticed in time",
    )
    tries: int = Field(
        default=3, ge=1, le=100, description="remedies without effect until a human is asked"
    )
    window: Duration = Field(
        default=timedelta(hours=4),
        ge=timedelta(milliseconds=1),
        description="how far back such remedies are counted",
    )
    flap_limit: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="dreams of one kind on one target that may be resolved within flap_window; "
        "each one more counts as a remedy without effect, for the cause is still there",
    )
    flap_window: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(milliseconds=1),
        description="how far back resolved dreams are counted",
    )
    start_limit: Duration = Field(
        default=timedelta(seconds=60),
        ge=timedelta(milliseconds=1),
        description="how long a restarted instance may take to become ready",
    )
    patience: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(milliseconds=1),
        description="how long a trouble that no restart can mend (a shared database away, a "
        "required variable missing) is waited out until a human is asked",
    )
