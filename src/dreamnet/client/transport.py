"""Carries one request to the node and maps what the network does to the client's errors."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPResponse, IncompleteRead
from ssl import SSLError
from typing import Any, cast
from urllib import request

from dreamnet.client.address import NodeAddress
from dreamnet.client.errors import AnswerError, ApiProblem, NodeUnreachable

_MAX_BODY = 64 * 2**20
_MAX_DETAIL = 300
_JSON_TYPES = ("application/json", "+json")


@dataclass(frozen=True, slots=True)
class Call:
    """A request before it is sent; a `body` that is not None is sent as JSON."""

    method: str
    link: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its body is parsed JSON, or text for any other content type."""

    status: int
    headers: Message
    body: Any

    def checked(self) -> Answer:
        """Return this answer if it is a success, else raise it as ApiProblem."""
        if 200 <= self.status < 300:
            return self
        if isinstance(self.body, dict):
            raise ApiProblem(self.status, cast("dict[str, Any]", self.body))
        raise ApiProblem(self.status, {"detail": _summary(self)})


class Transport:
    """Sends calls to one node; `timeout` in seconds bounds connecting and each wait for data."""

    def __init__(self, node: NodeAddress, timeout: float) -> None:
        self.node = node
        self.timeout = timeout
        self._opener = _opener(is_local=node.is_loopback)

    def send(self, call: Call) -> Answer:
        """Send a call and read its whole answer, whatever its status.

        Raises NodeUnreachable or AnswerError.
        """
        with self.open(call, self.timeout) as response:
            return self.read(response)

    @contextmanager
    def open(self, call: Call, timeout: float) -> Generator[HTTPResponse]:
        """Send a call and give the answer with its body unread; failures become NodeUnreachable."""
        address = self.node.resolve(call.link)
        try:
            with self._opener.open(self._prepared(call, address), timeout=timeout) as response:
                yield cast("HTTPResponse", response)
        except TimeoutError as error:
            message = f"the node at {self.node.url} did not answer within {timeout:g} s"
            raise NodeUnreachable(f"{message}: see `dreamnet logs`, or wait longer") from error
        except (OSError, HTTPException) as error:
            raise self._unreachable(error, timeout) from error

    def read(self, response: HTTPResponse) -> Answer:
        """Read the body of an opened answer."""
        content = response.read(_MAX_BODY + 1)
        if len(content) > _MAX_BODY:
            message = f"the answer is larger than {_MAX_BODY >> 20} MiB: ask for less"
            raise AnswerError(message)
        if response.length:  # read() with a limit does not tell that the connection broke off
            raise IncompleteRead(content, response.length)
        return Answer(response.status, response.headers, _parsed(content, response.headers))

    def _prepared(self, call: Call, address: str) -> request.Request:
        headers = {"Accept": "application/json", **call.headers}
        if self.node.token is not None:
            headers["Authorization"] = f"Bearer {self.node.token}"
        content = None
        if call.body is not None:
            content = json.dumps(call.body).encode()
            headers["Content-Type"] = "application/json"
        return request.Request(address, content, headers, method=call.method)  # noqa: S310 - http(s) by NodeAddress

    def _unreachable(self, error: Exception, timeout: float) -> NodeUnreachable:
        url = self.node.url
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return NodeUnreachable(f"the node at {url} could not be reached within {timeout:g} s")
        if isinstance(reason, (ConnectionResetError, BrokenPipeError, HTTPException)):
            return NodeUnreachable(f"the node at {url} broke off: see `dreamnet status` and retry")
        if isinstance(reason, SSLError):
            return NodeUnreachable(f"TLS with the node at {url} failed: check its certificate")
        return NodeUnreachable(f"no node answers at {url}: start one with `dreamnet up`")


def _opener(*, is_local: bool) -> request.OpenerDirector:
    """Return an opener without redirects, which would carry the token elsewhere."""
    opener = request.OpenerDirector()
    proxies = request.ProxyHandler({}) if is_local else request.ProxyHandler()
    for handler in (proxies, request.HTTPHandler(), request.HTTPSHandler()):
        opener.add_handler(handler)
    return opener


def _parsed(content: bytes, headers: Message) -> Any:
    kind = headers.get_content_type()
    if not content:
        return None
    if not kind.endswith(_JSON_TYPES):
        return content.decode("utf-8", "replace")
    try:
        return json.loads(content)
    except ValueError as error:
        message = "the node's answer is broken JSON: is something else listening at its address?"
        raise AnswerError(message) from error


def _summary(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return "redirects are not followed: give the node's final address"
    return str(answer.body or "").strip()[:_MAX_DETAIL]
