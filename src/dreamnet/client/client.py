"""The client a program or a command line holds to talk to one node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlencode

from dreamnet.client.address import NodeAddress, read_data_dir
from dreamnet.client.events import Event, EventStream, Patience
from dreamnet.client.follow import Follow, follow_link, link_of
from dreamnet.client.transport import Answer, Call, Transport

_DEFAULT_TIMEOUT = 10.0


class Client:
    """Talks to the node at `url`; `timeout` in seconds bounds each wait for the node.

    Every method may raise ClientError: NodeUnreachable, ApiProblem or AnswerError.
    """

    def __init__(
        self, url: str, token: str | None = None, timeout: float = _DEFAULT_TIMEOUT
    ) -> None:
        self._transport = Transport(NodeAddress(url, token), timeout)

    @classmethod
    def from_data_dir(
        cls, data_dir: str | os.PathLike[str] = ".dreamnet", timeout: float = _DEFAULT_TIMEOUT
    ) -> Client:
        """Return a client of the node whose data directory this is.

        Raises NodeUnreachable if none has been there, NodeAddressError if it cannot be read.
        """
        address = read_data_dir(data_dir)
        return cls(address.url, address.token, timeout)

    @property
    def url(self) -> str:
        """The node's address."""
        return self._transport.node.url

    def __repr__(self) -> str:
        """Name the node and keep the token out."""
        return f"Client({self.url!r})"

    def get(self, path: str, **params: Any) -> Any:
        """Return the body of a GET: parsed JSON, or text. Parameters that are None are left out."""
        return self._send(Call("GET", with_query(path, params))).body

    def post(self, path: str, body: Any = None, idempotency_key: str | None = None) -> Any:
        """POST `body` as JSON; a 202's `Location` is given as `link` in the body returned."""
        return self.request("POST", path, body, idempotency_key)

    def request(
        self, method: str, path: str, body: Any = None, idempotency_key: str | None = None
    ) -> Any:
        """Send any method and return the body, as `post` does."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        answer = self._send(Call(method, path, body, headers))
        location = answer.headers.get("Location")
        if answer.status == 202 and location:
            return _linked(answer.body, location)
        return answer.body

    def agent(
        self,
        name: str,
        input: Mapping[str, Any],  # noqa: A002 - the API's own word
        idempotency_key: str | None = None,
    ) -> Any:
        """Give an agent its input and return its answer; work goes on at the answer's `link`."""
        return self.post("/api/agent", {"agent": name, "input": dict(input)}, idempotency_key)

    def follow(
        self,
        link: str | Mapping[str, Any],
        timeout: float = 300.0,
        on_answer: Callable[[Any], None] | None = None,
    ) -> Any:
        """Poll a 202's link (or the body that holds it) until the work is done; return the end.

        A node that restarts meanwhile is waited for. Raises StillRunning after `timeout` seconds;
        the work itself goes on. `on_answer` is called with each body until then.
        """
        return follow_link(
            lambda at: self._transport.send(Call("GET", at)),
            link_of(link),
            Follow(timeout, on_answer),
        )

    def events(
        self,
        last_event_id: str | None = None,
        *,
        path: str = "/api/events",
        patience: Patience | None = None,
    ) -> Iterator[Event]:
        """Iterate over the node's events, after `last_event_id` if given, across its restarts."""
        stream = EventStream(self._transport, path, last_event_id)
        return stream.read(patience or Patience())

    def _send(self, call: Call) -> Answer:
        return self._transport.send(call).checked()


def with_query(path: str, params: Mapping[str, Any]) -> str:
    """Return the path with its query: booleans in lower case, lists repeated, None left out."""
    given = {key: _query_value(value) for key, value in params.items() if value is not None}
    if not given:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(given, doseq=True)}"


def _query_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return [_query_value(each) for each in cast("list[Any]", value)]
    return value


def _linked(body: Any, location: str) -> Any:
    if body is None:
        return {"link": location}
    if not isinstance(body, dict):
        return body
    return {"link": location, **cast("dict[str, Any]", body)}
