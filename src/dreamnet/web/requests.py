"""What `POST /api/agent` takes: one schema per agent, told apart by the agent's name."""

from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dreamnet.model.actions import Agent
from dreamnet.model.services import LONGEST_SCALE

DEEPEST_PAYLOAD = 32
_LONGEST_NAME = 80

Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]


class Body(BaseModel):
    """A part of a request; unknown fields are errors, so a typo never passes silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DreamNetHealth(Body):
    """Ask how DreamNet itself is."""

    check: Literal["dreamnet-health"]
    target: Literal["self"] = "self"


class ServiceHealth(Body):
    """Ask how a service is."""

    check: Literal["service-health"]
    target: Name = Field(description="name of the service")


class DreamKeeperCall(Body):
    """DreamKeeper answers questions about health."""

    agent: Literal["dreamkeeper"]
    input: Annotated[DreamNetHealth | ServiceHealth, Field(discriminator="check")]


class Restart(Body):
    """Restart one slot of a service, all its instances one after the other, or DreamNet itself."""

    action: Literal["restart"]
    service: Name | None = Field(default=None, description="left out: DreamNet itself")
    slot: int | None = Field(
        default=None, ge=1, le=LONGEST_SCALE, description="left out: every instance"
    )


class Scale(Body):
    """Set how many instances a service has."""

    action: Literal["scale"]
    service: Name | None = None
    replicas: int = Field(ge=0, le=LONGEST_SCALE)


class Status(Body):
    """Ask how a service, or DreamNet itself, is deployed."""

    action: Literal["status"]
    service: Name | None = Field(default=None, description="left out: DreamNet itself")


class DeployKeeperCall(Body):
    """DeployKeeper restarts, scales and reports."""

    agent: Literal["deploykeeper"]
    input: Annotated[Restart | Scale | Status, Field(discriminator="action")]


class Validate(Body):
    """Ask which required variables are missing, blank or not readable (names only)."""

    action: Literal["validate"]
    service: Name | None = Field(default=None, description="left out: every service")


class EnvKeeperCall(Body):
    """EnvKeeper checks environments."""

    agent: Literal["envkeeper"]
    input: Validate


def _sendable(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a payload that can be stored as JSON; ValueError when it cannot."""
    _check_value(payload, DEEPEST_PAYLOAD)
    return payload


def _check_value(value: object, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"a payload is nested at most {DEEPEST_PAYLOAD} deep")
    if isinstance(value, str) and not _is_text(value):
        raise ValueError("a payload holds Unicode text, no lone surrogates")
    if isinstance(value, float) and value - value != 0:
        raise ValueError("a payload holds finite numbers: NaN and Infinity are no JSON")
    if isinstance(value, dict):
        for name, inner in cast("dict[str, object]", value).items():
            _check_value(name, depth)
            _check_value(inner, depth - 1)
    if isinstance(value, list):
        for inner in cast("list[object]", value):
            _check_value(inner, depth - 1)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class RelayInput(Body):
    """A message from one agent to another."""

    model_config = Body.model_config | {"populate_by_name": True, "serialize_by_alias": True}

    sender: Annotated[Agent, Field(alias="from", strict=False)]
    to: Annotated[Agent, Field(strict=False)]
    message: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,79}$",
        description="what happened, such as health-check-failed-needs-restart",
    )
    payload: Annotated[dict[str, Any], AfterValidator(_sendable)] = Field(default={})


class RelayBotCall(Body):
    """RelayBot delivers a message from agent to agent, at least once."""

    agent: Literal["relaybot"]
    input: RelayInput


AgentCall = Annotated[
    DreamKeeperCall | DeployKeeperCall | EnvKeeperCall | RelayBotCall,
    Field(discriminator="agent"),
]

AGENT_TAGS = frozenset({"dreamkeeper", "deploykeeper", "envkeeper", "relaybot"})
INPUT_TAGS = frozenset({"dreamnet-health", "service-health", "restart", "scale", "status"})
