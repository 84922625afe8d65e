"""Server-sent events as an iterator that reconnects where it left off."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from dreamnet.client.errors import AnswerError, ApiProblem, ClientError, NodeUnreachable
from dreamnet.client.transport import Call, Transport

_MAX_LINE = 2**20
_MAX_EVENT = 16 * 2**20
_LONGEST_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `id` is the one to resume after, empty if the stream has none."""

    id: str
    name: str
    data: str

    def json(self) -> Any:
        """Return the data as JSON; raises AnswerError if it is none."""
        try:
            return json.loads(self.data)
        except ValueError as error:
            message = f"the data of event {self.id or self.name!r} is no JSON"
            raise AnswerError(message) from error


class EventParser:
    """Makes events of lines, by the rules of the HTML standard."""

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id
        self.retry_seconds: float | None = None
        self._id = last_event_id
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def restart(self) -> None:
        """Forget an event that the end of a connection cut in two."""
        self._id = self.last_event_id
        self._clear()

    def feed(self, line: str) -> Event | None:
        """Take a line without its end; return the event that a blank line completes."""
        if not line:
            return self._complete()
        field, _, value = line.partition(":")
        self._take(field, value.removeprefix(" "))
        return None

    def _take(self, field: str, value: str) -> None:
        if field == "data":
            self._data.append(value)
            self._size += len(value)
            if self._size > _MAX_EVENT:
                message = f"an event is larger than {_MAX_EVENT >> 20} MiB: not read on"
                raise AnswerError(message)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry_seconds = int(value) / 1000

    def _complete(self) -> Event | None:
        self.last_event_id = self._id
        event = Event(self._id, self._name or "message", "\n".join(self._data))
        is_empty = not self._data
        self._clear()
        return None if is_empty else event

    def _clear(self) -> None:
        self._name, self._size = "", 0
        self._data.clear()


@dataclass(frozen=True, slots=True)
class Patience:
    """How an event stream waits; all in seconds.

    `idle`: silence after which the connection is taken for dead; `reconnect`: wait before the
    first new connection unless the node says otherwise; `give_up`: how long the node may be away.
    """

    idle: float = 60.0
    reconnect: float = 1.0
    give_up: float = 120.0


class EventStream:
    """Connects, reads and reconnects; errors of the very first connection are raised at once."""

    def __init__(self, transport: Transport, link: str, last_event_id: str | None) -> None:
        self._transport = transport
        self._link = link
        self._parser = EventParser(last_event_id or "")
        self._was_connected = False
        self._alive_at = 0.0
        self._failures = 0

    def read(self, patience: Patience) -> Generator[Event]:
        """Yield events until the node ends the stream (204) or the caller stops iterating.

        Raises ApiProblem if refused, NodeUnreachable once the node was away for too long.
        """
        while True:
            try:
                if (yield from self._read_connection(patience.idle)):
                    return
            except (NodeUnreachable, ApiProblem) as error:
                if not self._may_try_again(error, patience):
                    raise
            time.sleep(self._wait_seconds(patience))

    def _read_connection(self, idle: float) -> Generator[Event, None, bool]:
        """Yield one connection's events; return whether the node wants no new connection."""
        self._parser.restart()
        with self._transport.open(self._call(), idle) as response:
            if response.status == 204:
                return True
            self._require_stream(response)
            self._note_alive()
            for line in _lines(response):
                self._note_alive()
                event = self._parser.feed(line)
                if event is not None:
                    yield event
        return False

    def _call(self) -> Call:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._parser.last_event_id:
            headers["Last-Event-ID"] = self._parser.last_event_id
        return Call("GET", self._link, headers=headers)

    def _require_stream(self, response: HTTPResponse) -> None:
        if response.status != 200:
            self._transport.read(response).checked()
        if response.headers.get_content_type() != "text/event-stream":
            message = (
                f"{self._link} is no event stream: it answers {response.status} with other data"
            )
            raise AnswerError(message)

    def _note_alive(self) -> None:
        self._was_connected = True
        self._failures = 0
        self._alive_at = time.perf_counter()

    def _may_try_again(self, error: ClientError, patience: Patience) -> bool:
        is_refusal = isinstance(error, ApiProblem) and error.status < 500 and error.status != 429
        if is_refusal or not self._was_connected:
            return False
        self._failures += 1
        return time.perf_counter() - self._alive_at < patience.give_up

    def _wait_seconds(self, patience: Patience) -> float:
        told = self._parser.retry_seconds
        first = patience.reconnect if told is None else told
        return min(first * 2 ** min(self._failures, 16), max(first, _LONGEST_WAIT))


def _lines(response: HTTPResponse) -> Iterable[str]:
    while line := response.readline(_MAX_LINE + 1):
        if len(line) > _MAX_LINE:
            message = f"a line of the event stream is longer than {_MAX_LINE >> 20} MiB"
            raise AnswerError(message)
        if not line.endswith(b"\n"):
            return  # cut off: an incomplete line is never an event
        yield line.rstrip(b"\r\n").decode("utf-8", "replace")
