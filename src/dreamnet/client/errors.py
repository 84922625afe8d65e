"""What can go wrong between a client and a node.

ClientError
 ├─ NodeAddressError   where the node is cannot be read, or is no address
 ├─ NodeUnreachable    nothing answers there, or it stopped answering
 ├─ ApiProblem         the node answered with a problem (RFC 9457)
 ├─ AnswerError        the answer cannot be understood
 └─ StillRunning       followed work did not end in time
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STANDARD = frozenset({"type", "title", "status", "detail", "instance"})


class ClientError(Exception):
    """Anything the client raises; the text says what, where and how to mend it."""


class NodeAddressError(ClientError):
    """The node's address or token cannot be read, or makes no sense."""


class NodeUnreachable(ClientError):
    """No node answers, or it stopped answering within the timeout."""


class AnswerError(ClientError):
    """The node's answer is not what the API promises, e.g. broken JSON."""


class StillRunning(ClientError):
    """Work that was followed has not ended in time; `link` follows it further."""

    def __init__(self, link: str, seconds: float) -> None:
        super().__init__(f"{link} has not ended within {seconds:g} s: it goes on, follow it again")
        self.link = link


class ApiProblem(ClientError):
    """A problem that the node reported; `extras` holds the members RFC 9457 does not name."""

    def __init__(self, status: int, members: Mapping[str, Any]) -> None:
        self.status = status
        self.title = str(members.get("title") or "the node refused")
        self.detail = str(members.get("detail") or "")
        self.type = str(members.get("type") or "about:blank")
        self.instance = str(members.get("instance") or "")
        self.extras = {key: value for key, value in members.items() if key not in _STANDARD}
        super().__init__(f"{self.title} ({status})" + (f": {self.detail}" if self.detail else ""))
