"""PostgreSQL's URLs that name several servers: `postgresql://user@one:5432,two:5433/database`."""

from __future__ import annotations

import re

DEFAULT_PORT = 5432

_LONGEST_PORT = 65535
_FORM = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:\s,@/]+))(?::([0-9]{1,5}))?")

Hosts = tuple[tuple[str, int], ...]


def split_hosts(url: str) -> tuple[Hosts, str]:
    """Return the servers of a URL and the URL without them; none and the same for a single one.

    ValueError when one of several is no address.
    """
    scheme, separator, rest = url.partition("://")
    end = min((at for mark in "/?#" if (at := rest.find(mark)) >= 0), default=len(rest))
    user, at, named = rest[:end].rpartition("@")
    if "," not in named:
        return (), url
    hosts = tuple(_host(one) for one in named.split(","))
    return hosts, f"{scheme}{separator}{user}{at}{rest[end:]}"


def _host(text: str) -> tuple[str, int]:
    match = _FORM.fullmatch(text)
    port = DEFAULT_PORT if match is None or match[3] is None else int(match[3])
    if match is None or not 1 <= port <= _LONGEST_PORT:
        raise ValueError("this is no host")
    return match[1] or match[2], port
