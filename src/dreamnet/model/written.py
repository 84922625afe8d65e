"""How a service is written in `dreamnet.toml`: short forms, and what they stand for."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dreamnet.kernel.duration import Duration
from dreamnet.model.record import Record
from dreamnet.model.services import (
    AllUnready,
    Env,
    Health,
    LogLimits,
    Probe,
    ProbeKind,
    Replicas,
    Route,
    ServiceName,
    ServiceSpec,
)

LIVE_FAILURES, READY_FAILURES = 2, 1
_SHORTEST = timedelta(milliseconds=50)  # asking more often costs more than it tells
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN_VARIABLE = "PORT"
_SHELL_VARIABLES = frozenset({"IFS", "OPTIND", "PPID", "LINENO"})
_KINDS = ("http", "tcp", "grpc", "command")
_NUL = "\0"


def _probe_path(path: str) -> str:
    if not path.startswith("/") or any(mark in path for mark in "# \r\n"):
        raise ValueError('a health path starts with "/", such as "/health/live"')
    return path


def _only_true(value: bool) -> bool:  # noqa: FBT001  # a validator gets the value alone
    if not value:
        raise ValueError("tcp is true or left out")
    return value


class ProbeAsWritten(Record):
    """A probe: exactly one way to ask, and what differs from the common settings of `health`."""

    http: Annotated[str, AfterValidator(_probe_path)] | None = Field(
        default=None,
        description="path asked for with GET; 200 to 399 is good",
        examples=["/health/live"],
    )
    tcp: Annotated[bool, AfterValidator(_only_true)] | None = Field(
        default=None, description="good when the port accepts a connection", examples=[True]
    )
    grpc: str | None = Field(
        default=None,
        description='service asked for in the gRPC health protocol; "" is the whole server',
        examples=["shop.v1.Shop"],
    )
    command: str | None = Field(
        default=None,
        min_length=1,
        description="command run in the service's folder; exit status 0 is good",
        examples=["./check.sh"],
    )
    interval: Duration | None = Field(
        default=None, ge=_SHORTEST, description="overrides health.interval", examples=["1s"]
    )
    timeout: Duration | None = Field(
        default=None, ge=_SHORTEST, description="overrides health.timeout", examples=["500ms"]
    )
    failures: int | None = Field(
        default=None, ge=1, le=100, description="overrides health.failures", examples=[2]
    )
    successes: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="good answers in a row until it counts as well again (default 1)",
        examples=[1],
    )
    jitter: float | None = Field(
        default=None,
        ge=0,
        le=0.5,
        description="share of the interval that is varied at random, so that probes of many "
        "instances do not fall on one instant (default 0.1)",
        examples=[0.1],
    )

    @model_validator(mode="after")
    def _one_way(self) -> ProbeAsWritten:
        ways = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(ways) != 1:
            said = f"this one has {' and '.join(ways)}" if ways else "this one has none"
            raise ValueError(f"a probe has exactly one of http, tcp, grpc, command; {said}")
        return self

    def to_probe(self, common: dict[str, Any]) -> Probe:
        """Return the probe, with `common` where nothing else is written."""
        own = {
            name: value
            for name in ("interval", "timeout", "failures", "successes", "jitter")
            if (value := getattr(self, name)) is not None
        }
        return Probe(**_way(self), **(common | own))


def _way(written: ProbeAsWritten) -> dict[str, Any]:
    if written.http is not None:
        return {"kind": ProbeKind.HTTP, "path": written.http}
    if written.grpc is not None:
        return {"kind": ProbeKind.GRPC, "service": written.grpc}
    if written.command is not None:
        return {"kind": ProbeKind.COMMAND, "command": written.command}
    return {"kind": ProbeKind.TCP}


class HealthAsWritten(Record):
    """How health is asked; without `live` and `ready` both are TCP."""

    live: ProbeAsWritten | None = Field(
        default=None,
        description='is it alive? failing means restart; "/path" is short for { http = "/path" }',
        examples=["/health/live"],
    )
    ready: ProbeAsWritten | None = Field(
        default=None,
        description="may it get traffic? failing only takes it out of traffic; left out: like live",
        examples=["/health/ready"],
    )
    interval: Duration = Field(
        default=timedelta(seconds=1), ge=_SHORTEST, description="pause between two questions"
    )
    timeout: Duration = Field(
        default=timedelta(milliseconds=500),
        ge=_SHORTEST,
        description="an answer later than this is a bad one",
    )
    failures: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="bad answers in a row until it counts as failing; left out: 2 for live, for a "
        "restart is dear, 1 for ready, for leaving traffic is cheap",
        examples=[2],
    )
    start_period: Duration = Field(
        default=timedelta(seconds=30),
        description="until this long after its start a bad answer is no symptom",
    )

    def to_health(self) -> Health:
        """Return both probes in full."""
        common: dict[str, Any] = {"interval": self.interval, "timeout": self.timeout}
        asked = ProbeAsWritten(tcp=True)
        live = self.live or asked
        ready = self.ready or live
        return Health(
            live=live.to_probe(common | {"failures": self.failures or LIVE_FAILURES}),
            ready=ready.to_probe(common | {"failures": self.failures or READY_FAILURES}),
            start_period=self.start_period,
        )


def _env_name(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("the name of a variable has A-Z, a-z, 0-9 and _, no digit first")
    return name


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int):
        raise ValueError("a variable is text in quotes, a whole number, true or false")  # noqa: TRY004  # pydantic wants ValueError
    return str(value)


def _env_values(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        _env_name(name)
        if name == _OWN_VARIABLE:
            raise ValueError("PORT is set by DreamNet, another one for each instance: remove it")
        if name in _SHELL_VARIABLES:
            raise ValueError(f"{name} belongs to the shell and cannot be set: remove it")
        if _NUL in value:
            raise ValueError(f"the value of {name} has a NUL character, which no process can get")
    return values


class EnvAsWritten(Record):
    """Where the environment of a service comes from."""

    model_config = Record.model_config | {"populate_by_name": True}

    set: Annotated[
        dict[str, Annotated[str, BeforeValidator(_as_text)]], AfterValidator(_env_values)
    ] = Field(
        default={},
        description="plain values, not secret; numbers and true/false become text",
        examples=[{"GREETING": "hello"}],
    )
    sources: list[str] = Field(
        default=[],
        alias="from",
        description="files and stores with secret values, relative to the service's folder; "
        "later ones win over earlier ones, all of them over `set`",
        examples=[["dotenv:.env"]],
    )
    required: list[Annotated[str, AfterValidator(_env_name)]] = Field(
        default=[],
        description="names that must be there and not blank, so that a missing one is told "
        "before the service starts",
        examples=[["DATABASE_URL"]],
    )

    def to_env(self) -> Env:
        """Return it under the names the rest of the program uses."""
        return Env.model_validate(self.model_dump())


def _one_line(command: str) -> str:
    if not command.strip() or _NUL in command:
        raise ValueError("a command has at least one word")
    return command.strip()


class ServiceAsWritten(Record):
    """One `[services.NAME]` table."""

    path: str = Field(
        default=".",
        min_length=1,
        description="folder of the service, relative to this file; its working directory",
        examples=["shop"],
    )
    run: Annotated[str, AfterValidator(_one_line)] = Field(
        description="the command that starts one instance; $PORT and the service's variables are "
        "filled in; listen on 127.0.0.1:$PORT",
        examples=[".venv/bin/uvicorn shop:app --port $PORT"],
        json_schema_extra={"or": 'watch = { url = "https://..." } for what is only watched'},
    )
    route: Route | None = Field(
        default=None,
        description='which requests at the gateway are its own; "host" or "host/path" is short '
        "for the table; left out: reached by nobody through the gateway",
        examples=["shop.localhost"],
    )
    health: HealthAsWritten = Field(
        default=HealthAsWritten(),
        description="how it is asked for its health",
        examples=[{"live": "/health/live", "ready": "/health/ready"}],
    )
    replicas: Replicas = Field(
        default=Replicas(),
        description="how many instances are started; a number or { min, max }",
        examples=[2],
    )
    grace: Duration = Field(
        default=timedelta(seconds=10), description="from SIGTERM to SIGKILL when it is stopped"
    )
    on_all_unready: AllUnready = Field(
        default=AllUnready.KEEP,
        description='when every instance loses its readiness at once (a shared database): "keep" '
        'sends traffic on, "hold" lets requests wait, "fail" answers 503',
    )
    env: EnvAsWritten = Field(
        default=EnvAsWritten(),
        description="its environment",
        examples=[{"from": ["dotenv:.env"]}],
    )
    logs: LogLimits = Field(
        default=LogLimits(),
        description="when a log file is rotated, how many are kept",
        examples=[{"keep": 3}],
    )

    def to_spec(self, name: str, root: Path) -> ServiceSpec:
        """Return the service in full; `root` is the folder of `dreamnet.toml`."""
        return ServiceSpec(
            name=ServiceName(name),
            folder=str((root / self.path).resolve()),
            run=self.run,
            route=self.route,
            health=self.health.to_health(),
            replicas=self.replicas,
            grace=self.grace,
            on_all_unready=self.on_all_unready,
            env=self.env.to_env(),
            logs=self.logs,
        )


def expand_service(raw: object) -> object:
    """Write the short forms of a service out; what has another shape is left for validation."""
    if not isinstance(raw, dict):
        return raw
    service = dict(cast("dict[str, Any]", raw))
    if isinstance(route := service.get("route"), str):
        service["route"] = _expand_route(route)
    if type(replicas := service.get("replicas")) is int:
        service["replicas"] = {"min": replicas}
    if isinstance(health := service.get("health"), dict):
        service["health"] = _expand_health(cast("dict[str, Any]", health))
    return service


def _expand_route(route: str) -> dict[str, str]:
    host, slash, rest = route.partition("/")
    return {"host": host or "*", "path": slash + rest or "/"}


def _expand_health(health: dict[str, Any]) -> dict[str, Any]:
    short = {
        aspect: {"http": asked}
        for aspect in ("live", "ready")
        if isinstance(asked := health.get(aspect), str)
    }
    return health | short
