"""Where a server is: `127.0.0.1:7300`, `[::1]:7300`, `bank.example:443`."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from dreamnet.model.record import Record

_FORM = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:\s]+)):([0-9]{1,5})")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, never bound to
_LOCALHOST = "localhost"
_LONGEST_PORT = 65535


class Address(Record):
    """A host (IP address, or `localhost`) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it."""
        return self.host == _LOCALHOST or ip_address(self.host).is_loopback

    @property
    def from_here(self) -> Address:
        """Return where a caller on this machine reaches it; any address means loopback."""
        return self.model_copy(update={"host": _ANY.get(self.host, self.host)})

    def collides_with(self, other: Address) -> bool:
        """Return whether two servers cannot listen on both."""
        if self.port != other.port:
            return False
        hosts = {self.host, other.host}
        if hosts & _ANY.keys() or len(hosts) == 1:
            return True
        return _LOCALHOST in hosts and self.is_loopback and other.is_loopback


def parse_address(text: object) -> Address:
    """Return the address that `text` says; ValueError with the accepted form otherwise."""
    if isinstance(text, Address):
        return text
    host, port = _split(text, "127.0.0.1:8080")
    if host == _LOCALHOST:
        return Address(host=host, port=port)
    try:
        return Address(host=str(ip_address(host)), port=port)
    except ValueError:
        raise ValueError(f'the host is an IP address or "localhost", not "{host}"') from None


def parse_far_address(text: object) -> Address:
    """Return where another server is; its host may be a name; ValueError with the form."""
    host, port = _split(text, "bank.example:443")
    if ":" in host or not is_host_name(host):
        try:
            host = str(ip_address(host))
        except ValueError:
            raise ValueError(f'"{host}" is neither a name nor an IP address') from None
    return Address(host=host, port=port)


def is_host_name(text: str) -> bool:
    """Return whether a text has the form of a name that DNS may know."""
    return _HOST_NAME.fullmatch(text) is not None


def _split(text: object, example: str) -> tuple[str, int]:
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'an address is "host:port", such as "{example}" or "[::1]:8080"')
    port = int(match[3])
    if not 1 <= port <= _LONGEST_PORT:
        raise ValueError(f"a port is 1 to {_LONGEST_PORT}, not {port}")
    return match[1] or match[2], port


ListenAddress = Annotated[Address, BeforeValidator(parse_address), PlainSerializer(str)]
