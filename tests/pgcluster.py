"""PostgreSQL servers of a test's own: to be killed, started again, copied and promoted."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server, socket

from tests import postgres as tools
from tests.postgres import PostgresServer

LIMIT_S = 60.0


@dataclass
class Database:
    """One server on a port that it keeps over every restart."""

    folder: Path
    server: PostgresServer
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def url(self) -> str:
        """Return the URL of its database."""
        return self.server.url("postgres")

    @property
    def host(self) -> str:
        """Return its address as a URL has it."""
        return f"127.0.0.1:{self.server.port}"

    def start(self) -> None:
        """Start it and wait until it answers; what a killed one left is waited for."""
        end = time.monotonic() + LIMIT_S
        while True:
            self.process = tools.start(self.folder, self.server.port)
            if tools.answers(self.server, self.process):
                return
            if time.monotonic() > end:
                raise AssertionError((self.folder / "log").read_text()[-3000:])
            time.sleep(0.1)

    def end(self, sign: signal.Signals) -> None:
        """Send its first process a signal (SIGKILL: it crashes; SIGQUIT: it stops at once)."""
        assert self.process is not None
        self.process.send_signal(sign)
        self.process.wait(LIMIT_S)
        self.process = None

    def links(self) -> int:
        """Return how many connections DreamNet has here."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dreamnet'"
        [[count]] = self.server.run(query)
        assert isinstance(count, int)
        return count

    def promote(self) -> None:
        """Make a standby the server that may be written."""
        self.server.run("SELECT pg_promote(true, 60)")


@contextlib.contextmanager
def database() -> Generator[Database]:
    """Run a server of one's own; skips (in CI: fails) where there are no binaries."""
    tools.require_binaries()
    with _folder() as folder:
        password = secrets.token_urlsafe(12)
        tools.initialise(folder, password)
        made = Database(folder, PostgresServer(tools.free_port(), password))
        with _stopped_at_the_end(made):
            made.start()
            yield made


@contextlib.contextmanager
def standby(primary: Database) -> Generator[Database]:
    """Run a copy that follows a server; from here on its commits wait for the copy."""
    with _folder() as folder:
        tools.copy(primary.server, folder)
        made = Database(folder, PostgresServer(tools.free_port(), primary.server.password))
        with _stopped_at_the_end(made):
            made.start()
            primary.server.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.server.run("SELECT pg_reload_conf()")
            _until_in_step(primary)
            yield made


def _until_in_step(primary: Database) -> None:
    end = time.monotonic() + LIMIT_S
    query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
    while primary.server.run(query) != [(1,)]:
        assert time.monotonic() < end, "the standby does not follow"
        time.sleep(0.05)


@contextlib.contextmanager
def _folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="dreamnet-postgres-"))
    try:
        tools.own(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _stopped_at_the_end(made: Database) -> Generator[None]:
    try:
        yield
    finally:
        if made.process is not None:
            made.process.send_signal(signal.SIGCONT)
            made.end(signal.SIGQUIT)


class Cutter:
    """A server between DreamNet and PostgreSQL that may swallow the answer to a commit."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cutting = False
        self.cuts = 0
        self._links: list[socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = create_connection(("127.0.0.1", self._upstream))
                self._links += [client, server]
                for source, target in ((client, server), (server, client)):
                    watched = source is client
                    arguments = (source, target, watched)
                    thread = threading.Thread(target=self._pump, args=arguments, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _pump(self, source: socket, target: socket, watched: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if watched and self.cutting and b"COMMIT" in data:
                    self.cuts += 1
                    self._cut(source, target, data)
                    return
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(SHUT_RDWR)

    def _cut(self, client: socket, server: socket, data: bytes) -> None:
        """Let the commit through, then end the link before its answer comes back."""
        client.shutdown(SHUT_RDWR)
        server.sendall(data)
        time.sleep(0.2)  # the server commits meanwhile; nobody listens to what it answers
        server.shutdown(SHUT_RDWR)

    def close(self) -> None:
        """End everything."""
        self._listener.shutdown(SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            with contextlib.suppress(OSError):
                link.shutdown(SHUT_RDWR)
            link.close()
        for thread in self._threads:
            thread.join(5)
