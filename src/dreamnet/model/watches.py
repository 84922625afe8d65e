"""What is only watched: targets that run elsewhere, looked at and never touched."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import NewType, assert_never
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from dreamnet.kernel.duration import Duration
from dreamnet.model.address import Address
from dreamnet.model.record import Record

WatchName = NewType("WatchName", str)

CERTIFICATE = "certificate"
MASK = "***"


class WatchFailure(StrEnum):
    """Why an answer was bad: the first five mean that the target was not reached."""

    DNS = "dns"
    REFUSED = "refused"
    NETWORK = "network"
    TIMED_OUT = "timed-out"
    TLS = "tls"
    STATUS = "status"
    TEXT = "text"
    ADDRESSES = "addresses"

    @property
    def is_unreachable(self) -> bool:
        """Return whether the target itself gave no answer."""
        return self not in (WatchFailure.STATUS, WatchFailure.TEXT, WatchFailure.ADDRESSES)


class StatusRange(Record):
    """HTTP status codes that are good, both ends included."""

    low: int
    high: int

    def __contains__(self, status: int) -> bool:
        return self.low <= status <= self.high

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


class WatchBase(Record):
    """What every watch has: a name, and how often and how patiently it is asked.

    It has no instances, no route and no command: nothing that starts, stops, scales or routes takes
    one.
    """

    name: WatchName
    interval: Duration = timedelta(seconds=30)
    timeout: Duration = timedelta(seconds=5)
    failures: int = Field(default=2, description="bad answers in a row until a dream is opened")

    @property
    def successes(self) -> int:
        """Return how many good answers make it well again; its dream asks for more."""
        return 1

    @property
    def jitter(self) -> float:
        """Return the share of the interval that is varied at random."""
        return 0.1


class UrlWatch(WatchBase):
    """A URL that is asked with GET."""

    url: SecretStr
    status: StatusRange
    contains: str = ""
    certificate_days: int

    @property
    def is_https(self) -> bool:
        """Return whether there is a certificate to look at."""
        return self.url.get_secret_value().lower().startswith("https:")


class TcpWatch(WatchBase):
    """A port that has to accept a connection."""

    address: Address


class DnsWatch(WatchBase):
    """A name that has to resolve, to exactly the addresses of `expect` when there are any."""

    host: str
    expect: tuple[str, ...] = ()


class CertificateWatch(WatchBase):
    """A TLS server whose certificate has to be trusted and to last."""

    address: Address
    certificate_days: int


Watch = UrlWatch | TcpWatch | DnsWatch | CertificateWatch


def certificate_notice(watch: Watch) -> timedelta | None:
    """Return how long before its end a certificate is warned about; None: it has none."""
    match watch:
        case UrlWatch():
            return timedelta(days=watch.certificate_days) if watch.is_https else None
        case CertificateWatch():
            return timedelta(days=watch.certificate_days)
        case TcpWatch() | DnsWatch():
            return None
        case _:
            assert_never(watch)


def certificate_target(name: WatchName) -> str:
    """Return the target of the dreams about a certificate, such as `bank/certificate`."""
    return f"{name}/{CERTIFICATE}"


def shown(watch: Watch) -> str:
    """Return what is watched in words that hold no credentials."""
    match watch:
        case UrlWatch():
            return shown_url(watch.url.get_secret_value())
        case TcpWatch():
            return f"tcp {watch.address}"
        case DnsWatch():
            return f"dns {watch.host}"
        case CertificateWatch():
            return f"{CERTIFICATE} {watch.address}"
        case _:
            assert_never(watch)


def shown_url(url: str) -> str:
    """Return a URL without its user, password and the values of its query."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    masked = f"{MASK}@{host}" if user or at else host
    query = "&".join(_masked(pair) for pair in parts.query.split("&")) if parts.query else ""
    return f"{parts.scheme}://{masked}{parts.path}" + (f"?{query}" if query else "")


def holds_secrets(url: str) -> bool:
    """Return whether a URL holds something that must not be shown; so does one without a form."""
    try:
        return shown_url(url) != url
    except ValueError:
        return True


def _masked(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals else MASK
