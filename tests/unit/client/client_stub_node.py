"""A scripted HTTP server on loopback that stands in for a node."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Seen:
    """A request as the stub received it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """What the stub answers; `raw` is sent as it is, after the headers, and then it hangs up."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    raw: bytes | None = None


@dataclass
class StubNode:
    """The server's address, the requests it saw and its script."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answer: Callable[[Seen], Reply] = lambda _: Reply()

    def script(self, *replies: Reply) -> None:
        """Answer with each reply in turn, then with the last one for ever."""
        left = list(replies)
        self.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def stub_node() -> Iterator[StubNode]:
    node = StubNode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(node))
    server.daemon_threads = True
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield node
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(node: StubNode) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content) if content else None
            seen = Seen(
                self.command,
                self.path,
                {name.title(): value for name, value in self.headers.items()},
                body,
            )
            node.seen.append(seen)
            reply = node.answer(seen)
            payload = reply.raw
            if payload is None:
                payload = b"" if reply.body is None else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.raw is None:
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            with suppress(ConnectionError):  # the client may have left, as tests make it do
                self.wfile.write(payload)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - names the base class looks for

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    return Handler
