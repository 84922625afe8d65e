"""Rules about `dreamnet.toml`: the file, each service's folder and command, its environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dreamnet.app.doctor.finding import Finding, fail, ok, warn
from dreamnet.kernel.errors import Complaint


@dataclass(frozen=True)
class Gap:
    """What one service's environment lacks; names only, never values."""

    service: str
    missing: tuple[str, ...]
    blank: tuple[str, ...]
    unreadable: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    """What is written, what is wrong with it, and whether others may read a secret in it."""

    file: str
    complaints: tuple[Complaint, ...]
    services: int = 0
    gaps: tuple[Gap, ...] = ()
    exposed: bool = False


def judge_settings(written: Configuration) -> Iterator[Finding]:
    """Judge the settings."""
    for one in written.complaints:
        yield fail("settings", one.what, one.where or written.file, one.mend)
    if not written.complaints:
        yield ok("settings", f"{written.services} services", written.file)
        yield from _environments(written)
    if written.exposed:
        mend = f"chmod 600 {written.file}"
        yield warn("settings", "others may read a secret in it", written.file, mend)


def _environments(written: Configuration) -> Iterator[Finding]:
    for gap in written.gaps:
        what = {"missing": gap.missing, "blank": gap.blank, "unreadable": gap.unreadable}
        seen = "; ".join(f"{how}: {', '.join(names)}" for how, names in what.items() if names)
        mend = "write them into a source of env.from: the service cannot start without"
        yield fail("environment", seen, f"services.{gap.service}", mend)
    if not written.gaps:
        yield ok("environment", "complete")
