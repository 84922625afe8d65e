"""What a service is: how it runs, where it is reached, how its health is asked."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, NewType

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dreamnet.kernel.duration import Duration
from dreamnet.model.record import Record

ServiceName = NewType("ServiceName", str)
Slot = NewType("Slot", int)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
RESERVED_NAMES = frozenset({"dreamnet", "gateway", "room", "node", "self", "heartbeat"})
LONGEST_SCALE = 64


def check_service_name(name: str) -> str:
    """Return `name` when it may name a service; ValueError with the rule otherwise."""
    if name in RESERVED_NAMES:
        raise ValueError(f'"{name}" is DreamNet\'s own name; choose another')
    if not _NAME.fullmatch(name):
        raise ValueError("a service name has 1 to 40 of a-z, 0-9 and -, and starts with a letter")
    return name


class ProbeKind(StrEnum):
    """How a probe asks."""

    HTTP = "http"
    TCP = "tcp"
    GRPC = "grpc"
    COMMAND = "command"


class Aspect(StrEnum):
    """What a probe asks about: is it alive, may it get traffic."""

    LIVE = "live"
    READY = "ready"


class Probe(Record):
    """One question put to an instance again and again."""

    kind: ProbeKind = ProbeKind.TCP
    path: str = Field(default="/", description="HTTP: path asked for; 200 to 399 is good")
    service: str = Field(
        default="", description="gRPC: service name of the health protocol; empty: the server"
    )
    command: str = Field(
        default="", description="command: run in the service's folder; exit 0 is good"
    )
    interval: Duration = Field(default=timedelta(seconds=1), gt=timedelta(0))
    timeout: Duration = Field(default=timedelta(milliseconds=500), gt=timedelta(0))
    failures: int = Field(
        default=2, ge=1, le=100, description="bad answers in a row until it counts as failing"
    )
    successes: int = Field(
        default=1, ge=1, le=100, description="good answers in a row until it counts as well"
    )
    jitter: float = Field(
        default=0.1, ge=0, le=0.5, description="share of the interval that is varied at random"
    )


class Health(Record):
    """The probes of a service and how long it may take to start."""

    live: Probe = Probe()
    ready: Probe = Probe(failures=1)
    start_period: Duration = Field(
        default=timedelta(seconds=30),
        description="until this long after its start a bad probe is no symptom",
    )


def _route_host(host: str) -> str:
    if host != "*" and not _HOST.fullmatch(host):
        raise ValueError('a host is like "shop.localhost", "*.example.org" or "*"')
    return host


def _route_path(path: str) -> str:
    if not path.startswith("/") or any(mark in path for mark in "?# "):
        raise ValueError('a path starts with "/" and has no "?", "#" or space')
    return path


class Route(Record):
    """Which requests at the gateway belong to the service."""

    host: Annotated[str, AfterValidator(_route_host)] = Field(
        default="*", description='Host of the request; "*" is any, "*.example.org" one below it'
    )
    path: Annotated[str, AfterValidator(_route_path)] = Field(
        default="/", description="start of the path of the request"
    )
    timeout: Duration = Field(
        default=timedelta(seconds=60), description="whole answer; 0s means without limit"
    )
    try_timeout: Duration | None = Field(
        default=None,
        description="idempotent requests: after this long a second try goes to another instance "
        "while the first goes on; the first good answer wins",
    )


class AllUnready(StrEnum):
    """What the gateway does when every instance lost its readiness at once."""

    KEEP = "keep"
    HOLD = "hold"
    FAIL = "fail"


def _replicas(value: object) -> object:
    return {"min": value} if isinstance(value, int) else value


class Replicas(Record):
    """How many instances: `min` are started, `scale` may go to `max`."""

    min: int = Field(
        default=1, ge=0, le=LONGEST_SCALE, description="instances that are started and kept"
    )
    max: int = Field(
        default=LONGEST_SCALE, ge=0, le=LONGEST_SCALE, description="most that `scale` may ask for"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Replicas:
        if self.max < self.min:
            raise ValueError(f"max ({self.max}) is less than min ({self.min})")
        return self


class LogLimits(Record):
    """When the log file of an instance is rotated and how many are kept."""

    max_bytes: int = Field(
        default=10_000_000, ge=10_000, description="bytes at which a log file is rotated"
    )
    keep: int = Field(
        default=3, ge=1, le=100, description="rotated files that are kept for each instance"
    )


SOURCE_KINDS = {"dotenv": "dotenv:.env"}
"""Where variables can come from, each with an example; `drivers/secrets` has one file for each."""


def split_source(source: str) -> tuple[str, str]:
    """Split `dotenv:.env` into its kind and its place; both parts may be empty."""
    kind, _, place = source.partition(":")
    return kind, place


class Env(Record):
    """Where the environment of a service comes from; what `from` brings is secret, never shown."""

    model_config = Record.model_config | {"populate_by_name": True}

    set: dict[str, str] = Field(default={}, description="plain values, not secret")
    sources: list[str] = Field(
        default=[], alias="from", description='such as "dotenv:.env"; later ones win'
    )
    required: list[str] = Field(default=[], description="names that must be there and not blank")


class ServiceSpec(Record):
    """Everything `dreamnet.toml` says about one service; `folder` is absolute."""

    name: Annotated[ServiceName, AfterValidator(check_service_name)]
    folder: str
    run: str = Field(
        min_length=1, description="the command; $PORT and the service's variables are filled in"
    )
    route: Route | None = None
    health: Health = Health()
    replicas: Annotated[Replicas, BeforeValidator(_replicas)] = Replicas()
    grace: Duration = Field(default=timedelta(seconds=10), description="from SIGTERM to SIGKILL")
    on_all_unready: AllUnready = AllUnready.KEEP
    env: Env = Env()
    logs: LogLimits = LogLimits()
