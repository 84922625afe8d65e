"""Where a node is and the token that opens it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from dreamnet.client.errors import NodeAddressError, NodeUnreachable
from dreamnet.kernel.environ import variable

_VARIABLE = "DREAMNET_TOKEN"
_PATH_SAFE = "/%:@!$&'()*+,;=~?-._[]"


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Scheme, host and port of a node, and its token, which never shows."""

    url: str
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts is None or "@" in parts.netloc:  # the text is not shown: it may hold a password
            message = "a node's address is http://HOST:PORT or https://HOST:PORT, without a user"
            raise NodeAddressError(message)
        if parts.path.strip("/") or parts.query or parts.fragment:
            message = f"a node's address ends after the port, got {self.url!r}"
            raise NodeAddressError(message)
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            message = "the token holds characters that no token has: copy it again"
            raise NodeAddressError(message)

    @property
    def is_loopback(self) -> bool:
        """Whether the node is on this machine, where no proxy belongs."""
        host = urlsplit(self.url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False

    def resolve(self, link: str) -> str:
        """Return the absolute address of a path or link; raises ClientError if it leads elsewhere.

        The token goes with every request, so nothing may lead it to another host.
        """
        absolute = urljoin(self.url + "/", quote(link, safe=_PATH_SAFE))
        if urlsplit(absolute)[:2] != urlsplit(self.url)[:2]:
            message = f"{link!r} leads away from the node at {self.url}: not followed"
            raise NodeAddressError(message)
        return absolute


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0  # reading the port checks it
    except ValueError:
        return None
    return parts if has_host and parts.scheme in {"http", "https"} else None


def read_data_dir(data_dir: str | os.PathLike[str]) -> NodeAddress:
    """Read `node.json` (`{"url": ...}`) and, if present, `token` in a node's data directory.

    A token in the variable DREAMNET_TOKEN goes before the file's.
    Raises NodeUnreachable if no node has been there, NodeAddressError if a file is unreadable.
    """
    folder = Path(data_dir)
    content = _read(folder / "node.json")
    if content is None:
        message = f"no node has run in {folder}: start one with `dreamnet up`, or name its folder"
        raise NodeUnreachable(message)
    token = variable(_VARIABLE).strip() or (_read(folder / "token") or "").strip()
    return NodeAddress(_url_in(content, folder), token or None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        message = f"{path} may not be read: run this as the user who runs the node"
        raise NodeAddressError(message) from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read ({type(error).__name__}): restart the node to rewrite it"
        raise NodeAddressError(message) from error


def _url_in(content: str, folder: Path) -> str:
    try:
        record = json.loads(content)
        url = record["url"]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{folder / 'node.json'} is damaged: restart the node to rewrite it"
        raise NodeAddressError(message) from error
    return str(url)
