"""The small tables of `dreamnet.toml`: the node, the gateway, how long things are kept."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from dreamnet.kernel.duration import Duration
from dreamnet.model.address import Address, ListenAddress
from dreamnet.model.hosts import split_hosts
from dreamnet.model.record import Record


class LogLevel(StrEnum):
    """The least grave line that DreamNet logs about itself."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _store_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if text and not _is_postgresql(text):
        raise ValueError(
            "a store is a URL postgresql://user:password@host:port/database (several hosts with "
            "commas between them), or empty for SQLite "
            "(a password with special characters has to be percent-encoded)"
        )
    return url


def _is_postgresql(text: str) -> bool:
    try:
        _, rest = split_hosts(text)
        parts = urlsplit(rest)
        return parts.scheme == "postgresql" and parts.port != 0 and len(parts.path) > 1
    except ValueError:
        return False


def _heartbeat(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if text and not _is_safe_url(text):
        raise ValueError(
            "a heartbeat is a URL https://... (http:// only to 127.0.0.1, ::1 or localhost), "
            "or empty"
        )
    return url


def _is_safe_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return has_place and (parts.scheme == "https" or local)


class NodeSettings(Record):
    """`[node]`: DreamNet's own process."""

    data_dir: str = Field(
        default=".dreamnet",
        min_length=1,
        description="folder of DreamNet's own data (store, logs, sockets), relative to this file; "
        "delete it while nothing runs to start afresh",
    )
    listen: ListenAddress = Field(
        default=Address(host="127.0.0.1", port=7300),
        description="where API and dashboard answer; another machine reaches it with allow_remote",
    )
    allow_remote: bool = Field(
        default=False,
        description="listen may be an address that others reach: the API speaks plain HTTP, so "
        "only inside a container, or on a network where nobody reads along",
    )
    store: Annotated[SecretStr, AfterValidator(_store_url)] = Field(
        default=SecretStr(""),
        validate_default=False,  # strict reading takes text only, and this is no longer text
        description="empty: SQLite in data_dir; else a PostgreSQL URL; one node works on one "
        "database. Of several hosts (`one:5432,two:5432`) the one that may be written is used",
        examples=["postgresql://user:password@127.0.0.1:5432/dreamnet"],
    )
    heartbeat: Annotated[SecretStr, AfterValidator(_heartbeat)] = Field(
        default=SecretStr(""),
        validate_default=False,  # as for `store`
        description="URL that is asked with GET while the node is able to heal, so that somebody "
        "outside notices when the whole machine is gone; a secret, never shown; empty: none",
        examples=["https://heartbeat.example/your-token"],
    )
    heartbeat_interval: Duration = Field(
        default=timedelta(minutes=1),
        ge=timedelta(seconds=5),
        description="pause between two heartbeats; the service outside should wait for three",
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="the least grave line that DreamNet logs about itself"
    )


class GatewaySettings(Record):
    """`[gateway]`: the door for the users of the services."""

    listen: ListenAddress = Field(
        default=Address(host="127.0.0.1", port=8080),
        description="where the services are reached; loopback unless others shall reach them",
    )
    hold: Duration = Field(
        default=timedelta(seconds=10),
        description="how long the waiting room holds a request while no instance is ready, so "
        "that a restart loses none; 0s answers 503 at once",
    )


class RetentionSettings(Record):
    """`[retention]`: how long ended things are kept."""

    dreams: Duration = Field(
        default=timedelta(days=30),
        ge=timedelta(minutes=1),
        description="resolved dreams; long enough to see what comes back",
    )
    ledger: Duration = Field(
        default=timedelta(days=90),
        ge=timedelta(minutes=1),
        description="the audit trail; a pruned chain still verifies from its anchor",
    )
    messages: Duration = Field(
        default=timedelta(days=7),
        ge=timedelta(minutes=1),
        description="delivered and dead messages between agents",
    )
    actions: Duration = Field(
        default=timedelta(days=30), ge=timedelta(minutes=1), description="ended actions"
    )
    answers: Duration = Field(
        default=timedelta(days=1),
        ge=timedelta(minutes=1),
        description="answers kept for a repeated Idempotency-Key",
    )
