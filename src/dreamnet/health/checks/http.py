"""Check that an HTTP dependency answers with an expected status."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dreamnet.health.check import Check, Finding, failed, passed

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

_SUCCESS = range(200, 300)


def http_dependency(
    url: str, *, name: str = "http", expected: Container[int] = _SUCCESS, timeout: float = 2.0
) -> Check:
    """GET `url` in a thread; redirects are not followed, so `expected` sees the first status.

    `timeout` is in seconds. Proxies of the environment are used, except for loopback addresses.
    Raises ValueError on anything but an http or https address.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "http_dependency needs an address that starts with http:// or https:// and a host"
        raise ValueError(message)
    is_local = _is_loopback(parts.hostname)

    def run() -> Finding:
        code = _status_of(url, timeout, is_local=is_local)
        return passed() if code in expected else failed(f"answered {code}")

    return Check(name, run, timeout=timeout)


def _status_of(url: str, timeout: float, *, is_local: bool) -> int:
    with _opener(is_local=is_local).open(url, timeout=timeout) as response:
        return int(response.status)


def _opener(*, is_local: bool) -> OpenerDirector:
    """Return an opener that neither follows redirects nor raises on error statuses."""
    from urllib import request  # noqa: PLC0415 - 50 ms of import, for those who use it

    opener = request.OpenerDirector()
    proxies = request.ProxyHandler({}) if is_local else request.ProxyHandler()
    for handler in (proxies, request.HTTPHandler(), request.HTTPSHandler()):
        opener.add_handler(handler)
    return opener


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
