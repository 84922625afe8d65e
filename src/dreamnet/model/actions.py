"""What changes the world: proposals, the desk's verdicts, and actions with their outcomes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NewType

from pydantic import Field

from dreamnet.model.record import Record

ActionId = NewType("ActionId", str)


class Agent(StrEnum):
    """Who may speak; `operator` is a human through API or CLI, `root` the supervisor."""

    DREAMKEEPER = "dreamkeeper"
    DEPLOYKEEPER = "deploykeeper"
    ENVKEEPER = "envkeeper"
    RELAYBOT = "relaybot"
    WEAVER = "weaver"
    ROOT = "root"
    OPERATOR = "operator"


class Office(StrEnum):
    """A kind of power over the world."""

    HEAL = "heal"
    DEPLOY = "deploy"
    SCALE = "scale"
    GATEWAY = "gateway"


class Verb(StrEnum):
    """What is done to the target."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    REPLACE = "replace"
    SCALE = "scale"


class ActionPhase(StrEnum):
    """Where an action is; the last four are final. `observed` would have been let out."""

    PROPOSED = "proposed"
    PERMITTED = "permitted"
    CLAIMED = "claimed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    OBSERVED = "observed"


FINAL_PHASES = frozenset(
    {ActionPhase.SUCCEEDED, ActionPhase.FAILED, ActionPhase.REJECTED, ActionPhase.OBSERVED}
)
# Both only carry out what a person wrote into dreamnet.toml or asked for.
_SPEAK_FOR_PEOPLE = frozenset({Agent.OPERATOR, Agent.DEPLOYKEEPER})


class Proposal(Record):
    """What an agent asks the desk to let out.

    `target` is a slot (`shop/1`), a service (`shop`) or a part (`gateway`, `room`); `key` makes the
    proposal idempotent: the same key is the same action. `performer` is the agent that will do it.
    """

    key: str
    agent: Agent
    performer: Agent
    office: Office
    verb: Verb
    target: str
    args: dict[str, str | int] = Field(default={})
    reason: str = ""
    case: str | None = None
    disruptive: bool = True

    @property
    def is_autonomous(self) -> bool:
        """Return whether an agent decided this by itself, so that its trust is asked for."""
        return self.agent not in _SPEAK_FOR_PEOPLE


class Action(Record):
    """A proposal with its fate; `fence` grows with each claim, so a late performer is void."""

    id: ActionId
    proposal: Proposal
    phase: ActionPhase
    at: datetime
    lease_owner: str | None = None
    lease_until: datetime | None = None
    fence: int = 0
    detail: str = ""
    ended: datetime | None = None


class Settled(Record):
    """The action may be performed."""

    action: Action


class Waiting(Record):
    """The action waits for a person's approval."""

    action: Action


class Observed(Record):
    """The action would have been let out, were the office trusted: it is only written down."""

    action: Action


class Rejected(Record):
    """The desk said no: why, what would make it pass, when to ask again (seconds; None: never)."""

    reason: str
    mend: str = ""
    retry_after_s: float | None = 1.0


def overlaps(one: str, other: str) -> bool:
    """Return whether two targets share anything: `shop` holds `shop/1`, slots stand apart."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
