"""The text of a systemd unit that keeps one node running, and whose unit a file is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dreamnet.kernel.errors import UserError

OPEN_FILES = 65536
TASKS = 16384
RESTART_S = 2
_MARK = "# Written by: dreamnet install, for "


@dataclass(frozen=True)
class Unit:
    """What a unit says; `user` is None for a unit of the user's own systemd."""

    file: Path
    command: tuple[str, ...]
    environment: dict[str, str]
    user: str | None
    stop_limit_s: float

    @property
    def name(self) -> str:
        """Return the unit's name: always the same for one `dreamnet.toml`, and its alone."""
        folder = re.sub(r"[^a-z0-9]+", "-", self.file.parent.name.lower()).strip("-") or "node"
        digest = sha256(str(self.file).encode("utf-8", "surrogateescape")).hexdigest()
        return f"dreamnet-{folder[:40]}-{digest[:8]}.service"

    @property
    def mark(self) -> str:
        """Return the line by which a unit is known as this one."""
        return _MARK + str(self.file)


def render(unit: Unit) -> str:
    """Return the unit file; `UserError` when a path cannot be written in one."""
    for text in (str(unit.file), *unit.command, *unit.environment.values()):
        _refuse_control(text)
    lines = [unit.mark, *_UNIT_HEAD, "[Unit]", *_section_unit(unit), "", "[Service]"]
    lines += [*_section_service(unit), "", "[Install]"]
    lines.append(f"WantedBy={'default.target' if unit.user is None else 'multi-user.target'}")
    return "\n".join(lines) + "\n"


_UNIT_HEAD = (
    "# Change it by a drop-in (systemctl edit), for the next dreamnet install writes it anew.",
    "",
)


def _section_unit(unit: Unit) -> list[str]:
    lines = [
        f"Description=DreamNet in {_literal(str(unit.file.parent))}",
        f"RequiresMountsFor={_quoted(str(unit.file.parent))}",
        "# However often it fails, the services' keeper is tried again.",
        "StartLimitIntervalSec=0",
    ]
    if unit.user is not None:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    return lines


def _section_service(unit: Unit) -> list[str]:
    lines = ["Type=exec"]
    if unit.user is not None:
        lines.append(f"User={unit.user}")
    lines += [
        f"WorkingDirectory={_literal(str(unit.file.parent))}",
        *(
            f"Environment={_quoted(f'{name}={value}')}"
            for name, value in sorted(unit.environment.items())
        ),
        f"ExecStart={' '.join(_argument(word) for word in unit.command)}",
        "# Root, the main process, stops everything that it started. When root itself is killed,",
        "# gateway and services go on, and the root that systemd starts next takes them over.",
        "KillMode=process",
        f"TimeoutStopSec={unit.stop_limit_s:.0f}",
        "# dreamnet down ends with 0 and stays down; 2 is a wrong dreamnet.toml: mend it first.",
        "Restart=on-failure",
        f"RestartSec={RESTART_S}",
        "RestartPreventExitStatus=2",
        "# One service that is killed for its memory is healed; it is no end of the unit.",
        "OOMPolicy=continue",
        f"LimitNOFILE={OPEN_FILES}",
        f"TasksMax={TASKS}",
    ]
    return lines


def _refuse_control(text: str) -> None:
    if not text.isprintable():
        raise UserError.of(
            "a path with line breaks or other unprintable characters cannot stand in a unit",
            where=repr(text),
            mend="give the folder another name",
        )


def _literal(text: str) -> str:
    """Return text for a setting that takes the rest of its line as it is, specifiers apart."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Return text as one word of a list."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_literal(escaped)}"'


def _argument(text: str) -> str:
    """Return text as one word of a command line, where `$` means a variable too."""
    return _quoted(text).replace("$", "$$")
