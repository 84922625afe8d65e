"""A project folder with a stub node that follows the API's contract, and the command line on it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dreamnet.root import start_ticks

INSTANCE = {
    "id": "shop-1-abc", "slot": 1, "target": "shop/1", "state": "running", "pid": 41, "port": 9001,
    "live": "well", "ready": "well", "in_traffic": True, "withdrawn": False, "uptime_s": 3725.0,
    "exit": None, "rss_bytes": 50 * 2**20, "cpu_seconds": 1.5,
}  # fmt: skip
SERVICE = {
    "name": "shop", "desired": 1, "ready": 1, "run": "shop", "route": {"host": "shop.localhost",
    "path": "/"}, "url": "http://127.0.0.1:8080/", "on_all_unready": "keep", "env_problem": None,
    "instances": [INSTANCE],
}  # fmt: skip
DREAM = {
    "id": "dream-1", "target": "shop/1", "symptom": "crash", "words": "killed by signal 9",
    "phase": "resolved", "live": False, "opened": "2026-01-02T03:04:05Z",
    "noticed": "2026-01-02T03:04:05Z", "updated": "2026-01-02T03:04:08Z", "tries": 1,
    "last": "verified",
}  # fmt: skip
ROW = {
    "seq": 7, "at": "2026-01-02T03:04:05Z", "kind": "dream", "subject": "dream-1",
    "body": {"phase": "open", "words": "crash: killed"}, "hash": "ab",
}  # fmt: skip


def action(phase: str, **more: Any) -> dict[str, Any]:
    done = phase in {"succeeded", "failed", "rejected"}
    known = {"id": "act-1", "verb": "restart", "target": "shop/1", "phase": phase, "done": done}
    return {**known, "agent": "operator", "performer": "deploykeeper", "detail": "", **more}


@dataclass
class Seen:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"

    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Reply:
    body = {"type": "urn:x", "title": "Conflict", "status": status, "detail": detail, **more}
    return Reply(body, status, headers or {}, "application/problem+json")


Answer = Callable[[Seen], Reply] | Reply


@dataclass
class World:
    """The folder, what the stub answers by path, and what it was asked."""

    folder: Path
    routes: dict[str, Answer] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    @property
    def data_dir(self) -> Path:
        return self.folder / ".dreamnet"

    def status(self, *, ready: bool = True, halted: bool = False) -> Reply:
        why = [] if ready else ["store: away"]
        node = {"version": "1", "pid": 9, "ready": ready, "why": why, "uptime_s": 61.0}
        node |= {"started": "2026-01-02T03:04:05Z", "halted": halted, "data_dir": "x"}
        gateway = {"alive": True, "url": "http://127.0.0.1:8080", "waiting": 0, "requests": 3}
        node["url"] = self.url
        dreams = {"live": 0, "escalated": 0}
        body = {"node": node, "gateway": gateway, "services": [SERVICE], "dreams": dreams}
        return Reply(body)

    def in_turn(self, path: str, *replies: Reply) -> None:
        left = list(replies)
        self.routes[path] = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def works(self, *phases: str, **more: Any) -> None:
        """Accept work, then show its action in these phases, one per look."""
        accepted = {"agent": "deploykeeper", "ok": True, "result": {}, "action": "act-1"}
        self.routes["/api/agent"] = Reply(accepted, 202, {"Location": "/api/actions/act-1"})
        self.in_turn("/api/actions/act-1", *(Reply(action(phase, **more)) for phase in phases))

    def write_record(self) -> None:
        self.data_dir.mkdir(exist_ok=True)
        record = {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "url": self.url}
        (self.data_dir / "node.json").write_text(json.dumps(record))


@contextmanager
def stub_world(folder: Path) -> Iterator[World]:
    world = World(folder)
    (folder / "dreamnet.toml").write_text("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(world))
    server.daemon_threads = True
    world.url = f"http://127.0.0.1:{server.server_address[1]}"
    world.write_record()
    world.routes["/api/status"] = lambda _: world.status()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            headers = {name.title(): value for name, value in self.headers.items()}
            seen = Seen(self.command, parts.path, query, headers, body)
            world.seen.append(seen)
            answer = world.routes.get(parts.path, problem(404, "nothing here"))
            reply = answer if isinstance(answer, Reply) else answer(seen)
            payload = reply.payload()
            self.send_response(reply.status)
            for name, value in {"Content-Type": reply.kind, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(payload)

        do_GET = do_POST = handle_any  # noqa: N815 - names the base class looks for

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    return Handler
