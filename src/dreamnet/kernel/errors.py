"""The error tree: what may pass (`Transient`), what will not (`Permanent`), what users must mend.

DreamNetError
├── Transient              try again later: the world was busy, slow or away
│   └── Unavailable        a peer (store, gateway, platform) did not answer in time
└── Permanent              trying again changes nothing
    ├── UserError          says what is wrong, where, and how to mend it
    │   ├── ConfigError    a wrong `dreamnet.toml`: file and line
    │   ├── NotFound       names what exists instead
    │   └── Conflict       the request contradicts what is there
    ├── Refused            the desk did not let an action out
    └── Corrupt            stored data contradicts itself; the file is kept
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


class DreamNetError(Exception):
    """Root of every error DreamNet raises on purpose."""


class Transient(DreamNetError):
    """The same call may succeed later."""


class Unavailable(Transient):
    """A peer did not answer within its limit."""


class Permanent(DreamNetError):
    """The same call will fail again."""


class Corrupt(Permanent):
    """Stored data contradicts itself; nothing was changed."""


class Refused(Permanent):
    """The desk did not let an action out; the message says why and what would make it pass."""


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong: what, where (`file:line` or a name), and how to mend it."""

    what: str
    where: str = ""
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"\n  mend: {self.mend}" if self.mend else "")


class UserError(Permanent):
    """One or more complaints for the person at the keyboard."""

    def __init__(self, *complaints: Complaint) -> None:
        super().__init__("\n".join(str(complaint) for complaint in complaints))
        self.complaints = complaints

    @classmethod
    def of(cls, what: str, *, where: str = "", mend: str = "") -> Self:
        """Build an error with a single complaint."""
        return cls(Complaint(what, where, mend))


class ConfigError(UserError):
    """The configuration is wrong; nothing was started."""


class NotFound(UserError):
    """What was asked for does not exist; the mend lists what does."""


class Conflict(UserError):
    """The request contradicts the present state; nothing was changed."""
