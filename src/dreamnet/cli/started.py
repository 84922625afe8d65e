"""Starts a node in the background and waits until it is ready, or says why it is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, cast

from dreamnet.cli.failure import FAILED, WRONG, Failure
from dreamnet.cli.node import Node
from dreamnet.cli.place import Place
from dreamnet.cli.waiting import Progress
from dreamnet.client.address import read_data_dir
from dreamnet.client.errors import ClientError
from dreamnet.client.transport import Call, Transport
from dreamnet.root import living_node, living_root

READY_LIMIT_S = 60.0
SERVICES_LIMIT_S = 10.0
_SERVICES_LOOK_S = 0.2
_LOOK_S = 0.05
_TAIL_BYTES = 8192


@dataclass(frozen=True)
class Attempt:
    """A root in the background, and where in its log this start begins."""

    place: Place
    root: subprocess.Popen[bytes]


def start_root(place: Place) -> Attempt:
    """Start root in a session of its own, its output in `up.log`; Failure when that is refused."""
    try:
        place.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if place.up_log.exists():
            place.up_log.replace(place.up_log.with_name("up.log.1"))
        log = os.fdopen(os.open(place.up_log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise unusable(place, error) from error
    with log:
        # -P: a module of the user's folder must not be taken for one of ours
        command = [sys.executable, "-P", "-m", "dreamnet", "up", "--file", str(place.file)]
        root = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.file.parent,
            start_new_session=True,
        )
    return Attempt(place, root)


def unusable(place: Place, error: OSError) -> Failure:
    """Return the failure of a data directory that cannot be written."""
    where = str(error.filename or place.data_dir)
    mend = "give yourself write permission there, or set another [node] data_dir"
    return Failure(f"the data directory cannot be used: {error.strerror}", where, mend, WRONG)


def wait_ready(attempt: Attempt, limit_s: float = READY_LIMIT_S) -> Node:
    """Return the node once it is ready; Failure with its complaints when it is not in time."""
    progress, why = Progress(), "the node has not begun to answer"
    until = time.perf_counter() + limit_s
    while time.perf_counter() < until:
        code = attempt.root.poll()
        if code is not None:
            raise _ended(attempt, code)
        node = _node_of(attempt)
        is_ready, why = (False, why) if node is None else _readiness(node)
        if node is not None and is_ready:
            return node
        progress.tell(f"waiting for the node: {why}")
        time.sleep(_LOOK_S)
    attempt.root.returncode = 0  # it goes on without us
    raise Failure(
        f"not ready after {limit_s:g} s: {why}",
        str(attempt.place.up_log),
        "the node goes on trying: see `dreamnet status` and that file, or `dreamnet down`",
    )


def wait_services(node: Node, limit_s: float = SERVICES_LIMIT_S) -> list[dict[str, Any]]:
    """Return the services once all are up, or as they are when the limit comes first."""
    progress = Progress()
    until = time.perf_counter() + limit_s
    while True:
        services = _services(node)
        late = [str(one["name"]) for one in services if not is_up(one)]
        if not late or time.perf_counter() > until:
            return services
        progress.tell(f"waiting for services: {', '.join(late)}")
        time.sleep(_SERVICES_LOOK_S)


def is_up(service: dict[str, Any]) -> bool:
    """Tell whether as many instances are ready as are wanted."""
    return service["ready"] >= service["desired"]


def _services(node: Node) -> list[dict[str, Any]]:
    """Return what the node says of its services; nothing when it has none, or is away again."""
    try:
        return node.get("/api/services")["services"]
    except ClientError:
        return []


def _node_of(attempt: Attempt) -> Node | None:
    """Return the node of this root; the one that an earlier root left counts, it is adopted."""
    data_dir = attempt.place.data_dir
    if living_root(data_dir) != attempt.root.pid or living_node(data_dir) is None:
        return None
    try:
        return Node(Transport(read_data_dir(data_dir), 5.0))
    except ClientError:
        return None


def _readiness(node: Node) -> tuple[bool, str]:
    try:
        answer = node.send(Call("GET", "/health/ready"))
    except ClientError as error:
        return False, str(error)
    return answer.status == 200, _failing(answer.body) or f"/health/ready says {answer.status}"


def _failing(body: object) -> str:
    """Return what a health document says is not well."""
    if not isinstance(body, dict):
        return ""
    document = cast("dict[str, Any]", body)
    checks = cast("dict[str, list[dict[str, Any]]]", document.get("checks") or {})
    found = [
        f"{name}: {one.get('output') or one.get('status')}"
        for name, results in checks.items()
        for one in results
        if one.get("status") not in ("pass", None)
    ]
    return "; ".join(found) or str(document.get("output") or "")


def _ended(attempt: Attempt, code: int) -> Failure:
    """Return the failure of a root that gave up, in the words it left in the log."""
    with attempt.place.up_log.open("rb") as log:
        log.seek(max(0, log.seek(0, 2) - _TAIL_BYTES))
        said = log.read().decode(errors="replace").strip()
    words = said.removeprefix("dreamnet: ") or f"the node ended with exit code {code}"
    return Failure(words, code=WRONG if code == WRONG else FAILED)
