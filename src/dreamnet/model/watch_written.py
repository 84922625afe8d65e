"""How a watch is written in `dreamnet.toml`: short forms, and what they stand for."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from dreamnet.kernel.duration import Duration
from dreamnet.model.address import is_host_name, parse_far_address
from dreamnet.model.record import Record
from dreamnet.model.watches import (
    CertificateWatch,
    DnsWatch,
    StatusRange,
    TcpWatch,
    UrlWatch,
    Watch,
    WatchName,
)

WATCH = "watch"
_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_OWN_KEYS = {
    "url": ("status", "contains", "certificate_days"),
    "tcp": (),
    "dns": ("expect",),
    "certificate": ("certificate_days",),
}


def _url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(mark.isspace() for mark in text):
        raise ValueError("a URL is like https://bank.example/health")
    return url


def _far_address(text: str) -> str:
    parse_far_address(text)
    return text


def _name(name: str) -> str:
    if not is_host_name(name):
        raise ValueError('a name is like "bank.example"')
    return name


def _ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f'an address is like "192.0.2.7", not "{text}"') from None


def _status(text: str) -> str:
    _status_range(text)
    return text


def _status_range(text: str) -> StatusRange:
    match = _STATUS.fullmatch(text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise ValueError('a status is like 200 or "200-399"')
    return StatusRange(low=int(match[1]), high=int(match[2] or match[1]))


class WatchAsWritten(Record):
    """A watch: exactly one target, and how it is asked."""

    url: Annotated[SecretStr, AfterValidator(_url)] | None = Field(
        default=None,
        description="asked with GET; a redirect is an answer and is not followed",
        examples=["https://bank.example/health"],
    )
    tcp: Annotated[str, AfterValidator(_far_address)] | None = Field(
        default=None,
        description="host:port that has to accept a connection",
        examples=["db.example:5432"],
    )
    dns: Annotated[str, AfterValidator(_name)] | None = Field(
        default=None, description="name that has to resolve", examples=["bank.example"]
    )
    certificate: Annotated[str, AfterValidator(_far_address)] | None = Field(
        default=None,
        description="host:port whose TLS certificate has to be trusted and to last",
        examples=["mail.example:993"],
    )
    status: Annotated[str, AfterValidator(_status)] = Field(
        default="200-399", description="url: the status codes that are good, one or a range"
    )
    contains: str = Field(
        default="",
        description="url: text that has to be in the first MiB of the body; empty: any body",
    )
    expect: list[Annotated[str, AfterValidator(_ip)]] = Field(
        default=[],
        description="dns: exactly these addresses; empty: any",
        examples=[["192.0.2.7"]],
    )
    certificate_days: int = Field(
        default=14,
        ge=1,
        le=398,
        description="https url and certificate: warn this many days before the certificate ends",
    )
    interval: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="pause between two questions; gentler than for own instances",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=5),
        ge=timedelta(milliseconds=50),
        description="an answer later than this is a bad one",
    )
    failures: int = Field(
        default=2,
        ge=1,
        le=100,
        description="bad answers in a row until a dream is opened; after the first one it is "
        "asked again in 5 s at the latest",
    )

    @model_validator(mode="after")
    def _one_target(self) -> WatchAsWritten:
        kinds = [kind for kind in _OWN_KEYS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            said = f"this one has {' and '.join(kinds)}" if kinds else "this one has none"
            raise ValueError(f"a watch has exactly one of {', '.join(_OWN_KEYS)}; {said}")
        for kind, keys in _OWN_KEYS.items():
            lost = (self.model_fields_set & set(keys)) - set(_OWN_KEYS[kinds[0]])
            if lost:
                raise ValueError(f'"{min(lost)}" belongs to a watch of {kind}, not of {kinds[0]}')
        return self

    def to_watch(self, name: str) -> Watch:
        """Return the watch in full."""
        common: dict[str, Any] = {
            "name": WatchName(name),
            "interval": self.interval,
            "timeout": self.timeout,
            "failures": self.failures,
        }
        days = {"certificate_days": self.certificate_days}
        if self.url is not None:
            status = _status_range(self.status)
            return UrlWatch(url=self.url, status=status, contains=self.contains, **days, **common)
        if self.tcp is not None:
            return TcpWatch(address=parse_far_address(self.tcp), **common)
        if self.dns is not None:
            return DnsWatch(host=self.dns, expect=tuple(self.expect), **common)
        return CertificateWatch(address=parse_far_address(self.certificate), **days, **common)


class WatchedAsWritten(Record):
    """A `[services.NAME]` table that is only watched; it has nothing else."""

    watch: WatchAsWritten = Field(
        description="what is looked at and never touched, instead of `run`",
        examples=[{"url": "https://bank.example/health"}],
    )


def is_watched(table: object) -> bool:
    """Return whether a table under `services` is only watched."""
    return isinstance(table, dict) and WATCH in table


def expand_watched(table: dict[str, Any]) -> dict[str, Any]:
    """Write the short forms out; what has another shape is left for validation."""
    watch: object = table[WATCH]
    if isinstance(watch, str):
        return table | {WATCH: {"url": watch}}
    if isinstance(watch, dict):
        written = cast("dict[str, Any]", watch)
        if type(status := written.get("status")) is int:
            return table | {WATCH: written | {"status": str(status)}}
    return table
