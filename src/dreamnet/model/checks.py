"""What is wrong with a configuration although each of its tables is right by itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dreamnet.kernel.environ import base_environment
from dreamnet.kernel.errors import Complaint
from dreamnet.kernel.programs import find_program, what_is_wrong_with
from dreamnet.kernel.toml import Document, Keys
from dreamnet.model.complaints import dotted
from dreamnet.model.policy import HealPolicy
from dreamnet.model.sections import GatewaySettings, NodeSettings
from dreamnet.model.services import SOURCE_KINDS, split_source
from dreamnet.model.watch_written import WatchAsWritten
from dreamnet.model.written import ServiceAsWritten

_SHELL_WORDS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1"})


@dataclass(frozen=True)
class Draft:
    """A configuration under review; None stands for a table that is wrong by itself."""

    document: Document
    node: NodeSettings | None
    gateway: GatewaySettings | None
    heal: HealPolicy | None
    services: Mapping[str, ServiceAsWritten | None]
    watches: Mapping[str, WatchAsWritten | None]

    @property
    def root(self) -> Path:
        """Return the folder that relative paths start from."""
        return self.document.path.resolve().parent

    def complain(self, keys: Keys, what: str, mend: str) -> Complaint:
        """Build a complaint that points at a key of the file."""
        return Complaint(what, self.document.where(keys), mend)


def check_settings(draft: Draft) -> list[Complaint]:
    """Return every complaint about tables that contradict each other or the machine."""
    found = [*_no_service(draft), *_one_port(draft), *_remote(draft), *_data_dir(draft)]
    found += _backoff(draft)
    found += _shared_routes(draft)
    for name, service in draft.services.items():
        if service is not None:
            found += _check_service(draft, name, service)
    return found


def _no_service(draft: Draft) -> Iterator[Complaint]:
    if not draft.services and not draft.watches:
        yield draft.complain(
            ("services",),
            "no service is described",
            "add a table [services.shop] with run and route, or let one be written: "
            "dreamnet init --force",
        )


def _one_port(draft: Draft) -> Iterator[Complaint]:
    if draft.node is None or draft.gateway is None:
        return
    if draft.node.listen.collides_with(draft.gateway.listen):
        table = "gateway" if "listen" in draft.document.data.get("gateway", {}) else "node"
        yield draft.complain(
            (table, "listen"),
            f"gateway and API both listen on {draft.gateway.listen}",
            f"give one of them another port, such as [{table}] "
            f'listen = "127.0.0.1:{draft.gateway.listen.port % 65000 + 1}"',
        )


def _remote(draft: Draft) -> Iterator[Complaint]:
    if draft.node is None or draft.node.listen.is_loopback or draft.node.allow_remote:
        return
    yield draft.complain(
        ("node", "listen"),
        f'node.listen: others could reach the API on "{draft.node.listen}", which speaks plain '
        "HTTP: a token could be read on its way",
        f'listen on this machine only: listen = "127.0.0.1:{draft.node.listen.port}"; or, in a '
        "container or a network of your own, add: allow_remote = true",
    )


def _data_dir(draft: Draft) -> Iterator[Complaint]:
    if draft.node is None:
        return
    folder = draft.root / draft.node.data_dir
    if folder.exists() and not folder.is_dir():
        yield draft.complain(
            ("node", "data_dir"),
            f'node.data_dir: "{draft.node.data_dir}" is a file, not a folder',
            'name a folder: data_dir = ".dreamnet"',
        )


def _backoff(draft: Draft) -> Iterator[Complaint]:
    if draft.heal is not None and draft.heal.backoff_cap < draft.heal.backoff:
        table = draft.document.data.get("heal", {})
        yield draft.complain(
            ("heal", "backoff_cap" if "backoff_cap" in table else "backoff"),
            "heal: backoff_cap, the longest pause, is shorter than backoff, the first one",
            'such as: backoff = "1m" and backoff_cap = "10m"',
        )


def _shared_routes(draft: Draft) -> Iterator[Complaint]:
    taken: dict[tuple[str, str], str] = {}
    for name, service in draft.services.items():
        if service is None or service.route is None:
            continue
        host, path = service.route.host.lower(), service.route.path.rstrip("/") or "/"
        first = taken.setdefault((host, path), name)
        if first != name:
            line = draft.document.line_of(("services", first, "route"))
            yield draft.complain(
                ("services", name, "route"),
                f'services "{first}" (line {line}) and "{name}" share the route '
                f'host "{host}", path "{path}"',
                f'give each its own, such as: route = "{name}.localhost"',
            )


def _check_service(draft: Draft, name: str, service: ServiceAsWritten) -> Iterator[Complaint]:
    keys = ("services", name)
    folder = draft.root / service.path
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        yield draft.complain(
            (*keys, "path"),
            f'services.{name}.path: "{service.path}" {what} (looked at {folder})',
            f"paths start from the folder of {draft.document.path.name}",
        )
        return
    yield from _check_command(draft, (*keys, "run"), service.run, _Home(folder, service))
    for aspect in ("live", "ready"):
        probe = getattr(service.health, aspect)
        if probe is not None and probe.command is not None:
            spot = (*keys, "health", aspect, "command")
            yield from _check_command(draft, spot, probe.command, _Home(folder, service))
    for index, source in enumerate(service.env.sources):
        yield from _check_source(draft, (*keys, "env", "from", index), source, folder)


@dataclass(frozen=True)
class _Home:
    """Where a command runs: the folder and the service whose environment it gets."""

    folder: Path
    service: ServiceAsWritten

    @property
    def search_path(self) -> str:
        """Return PATH as the command will see it, as far as that is known before the start."""
        return self.service.env.set.get("PATH") or base_environment().get("PATH", "")


def _check_command(draft: Draft, keys: Keys, command: str, home: _Home) -> Iterator[Complaint]:
    spot = dotted(keys)
    try:
        words = shlex.split(command)
    except ValueError:
        yield draft.complain(
            keys, f"{spot}: a quote is opened and not closed", "close it, or escape it with \\"
        )
        return
    shell = _SHELL_WORDS & set(words)
    if shell and "-c" not in words:
        yield draft.complain(
            keys,
            f'{spot}: "{min(shell)}" means something to a shell only, and none is used',
            "run one command; for a shell write: sh -c '...'",
        )
    if words and "$" not in words[0]:
        yield from _check_program(draft, keys, words[0], home)


def _check_program(draft: Draft, keys: Keys, word: str, home: _Home) -> Iterator[Complaint]:
    if find_program(word, home.folder, home.search_path):
        return
    spot = dotted(keys)
    beside = home.folder / word
    if "/" not in word and find_program(f"./{word}", home.folder, ""):
        yield draft.complain(
            keys,
            f'{spot}: "{word}" is in the folder of the service, but not on PATH',
            f"write ./{word}",
        )
    elif "/" in word or beside.exists():
        yield draft.complain(
            keys,
            f'{spot}: the program "{word}" {what_is_wrong_with(beside)} (looked at {beside})',
            f"chmod +x {beside}" if beside.is_file() else "install it, or correct the path",
        )
    else:
        yield draft.complain(
            keys,
            f'{spot}: there is no program "{word}" on PATH',
            f"install it, or name it from the service's folder, such as .venv/bin/{word}",
        )


def _check_source(draft: Draft, keys: Keys, source: str, folder: Path) -> Iterator[Complaint]:
    kind, place = split_source(source)
    known = ", ".join(f'"{example}"' for example in SOURCE_KINDS.values())
    if ":" not in source or kind not in SOURCE_KINDS:
        said = f'unknown kind "{kind}"' if ":" in source else "the kind is missing"
        yield draft.complain(keys, f"{dotted(keys)}: {said}", f"known kinds, as in: {known}")
    elif not place:
        yield draft.complain(
            keys, f"{dotted(keys)}: the name of the file is missing", f"such as: {known}"
        )
    elif not (folder / place).is_file():
        what = "is not a file" if (folder / place).exists() else "does not exist"
        yield draft.complain(
            keys,
            f'{dotted(keys)}: "{place}" {what} (looked at {folder / place})',
            "create it, or remove it from the list",
        )
