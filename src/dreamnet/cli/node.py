"""The running node as commands see it: found by its data directory, asked over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from dreamnet.cli.failure import ABSENT, Failure
from dreamnet.client.address import read_data_dir
from dreamnet.client.client import with_query
from dreamnet.client.errors import ApiProblem
from dreamnet.client.events import Event, EventStream, Patience
from dreamnet.client.transport import Answer, Call, Transport
from dreamnet.root import living_node, living_root

RESTART_PATIENCE_S = 10.0
_LOOK_S = 0.1


class Node:
    """Asks one node; every method may raise ClientError."""

    def __init__(self, transport: Transport, data_dir: Path | None = None) -> None:
        self._transport = transport
        self._data_dir = data_dir

    @property
    def url(self) -> str:
        """Return the node's address."""
        return self._transport.node.url

    @property
    def was_stopped(self) -> bool:
        """Tell whether it was stopped on purpose: only then it takes its record away."""
        return self._data_dir is not None and not (self._data_dir / "node.json").exists()

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the body of a GET; parameters that are None are left out."""
        return checked(self.send(Call("GET", with_query(path, parameters)))).body

    def post(self, path: str, body: Any = None, key: str | None = None) -> Any:
        """POST JSON and return the answer's body; a 202's `Location` is its `link`."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = checked(self.send(Call("POST", path, body, headers)))
        location = answer.headers.get("Location")
        if answer.status == 202 and location and isinstance(answer.body, dict):
            return {"link": location, **cast("dict[str, Any]", answer.body)}
        return answer.body

    def agent(self, name: str, given: Mapping[str, Any], key: str | None = None) -> Any:
        """Give an agent its input and return its answer."""
        return self.post("/api/agent", {"agent": name, "input": dict(given)}, key)

    def send(self, call: Call) -> Answer:
        """Send a call and return the answer, whatever its status."""
        return self._transport.send(call)

    def lines(self, path: str, idle_s: float = 60.0, **parameters: Any) -> Generator[Any]:
        """Yield the records of a stream of JSON lines; blank ones are only signs of life."""
        with self._transport.open(Call("GET", with_query(path, parameters)), idle_s) as response:
            if response.status != 200:
                checked(self._transport.read(response))
            for line in response:
                if line.strip() and line.endswith(b"\n"):  # else it was cut off
                    yield json.loads(line)

    def events(self, after: int | None) -> Iterator[Event]:
        """Yield events after a ledger row for ever, across restarts of the node."""
        last = None if after is None else str(after)
        return EventStream(self._transport, "/api/events", last).read(Patience())


def checked(answer: Answer) -> Answer:
    """Return a success; else raise ApiProblem, with `retry_after_s` when the node named a time."""
    try:
        return answer.checked()
    except ApiProblem as problem:
        wait_s = retry_after_s(answer)
        if wait_s:
            problem.extras["retry_after_s"] = wait_s
        raise


def retry_after_s(answer: Answer) -> float:
    """Return the seconds the node asks to wait, 0 when it does not say."""
    text = answer.headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdigit() else 0.0


def check_owner(data_dir: Path) -> None:
    """Raise Failure when the data directory is closed to this user: then nothing can be known."""
    try:
        (data_dir / "node.json").stat()
    except PermissionError as error:
        mend = "run this as the user who started DreamNet here"
        raise Failure(
            "the data directory belongs to another user", str(data_dir), mend, ABSENT
        ) from error
    except OSError:
        return


def find_node(
    data_dir: Path, timeout_s: float = 10.0, patience_s: float = RESTART_PATIENCE_S
) -> Node:
    """Return the node of a data directory; one that root is just starting is waited for.

    The record of a dead node is never followed: another project's node may have its port now.
    """
    check_owner(data_dir)
    until = time.perf_counter() + patience_s
    while living_node(data_dir) is None:
        if living_root(data_dir) is None:
            raise Failure(
                "no node runs here", str(data_dir), 'start one with "dreamnet up"', ABSENT
            )
        if time.perf_counter() >= until:
            raise Failure(
                "the node is not up yet: root is starting it",
                str(data_dir),
                "ask again in a moment, or see the output of `up` (detached: up.log)",
                ABSENT,
            )
        time.sleep(_LOOK_S)
    return Node(Transport(read_data_dir(data_dir), timeout_s), data_dir)
