"""Users: a steady load of requests that are safe to repeat, each remembered."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from threading import Event, Thread

USERS = 4
PAUSE_S = 0.1
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent (CLOCK_MONOTONIC), how it ended (0: not), how long it took."""

    sent_s: float
    status: int
    took_s: float


class Load:
    """Four users, each asking ten times a second at most, one request after the other."""

    def __init__(self, port: int, host: str) -> None:
        self._port = port
        self._host = host
        self._over = Event()
        self._users: list[Thread] = []
        self.answers: list[Answer] = []

    def start(self) -> None:
        """Begin."""
        self._users = [Thread(target=self._ask_for_ever, daemon=True) for _ in range(USERS)]
        for user in self._users:
            user.start()

    def stop(self) -> None:
        """End, once every request under way has been answered."""
        self._over.set()
        for user in self._users:
            user.join(PATIENCE_S)

    def lost(self) -> list[Answer]:
        """Return what was not answered as it should be."""
        return [one for one in self.answers if one.status != http.client.OK]

    def _ask_for_ever(self) -> None:
        while not self._over.wait(PAUSE_S):
            sent_s = time.monotonic()
            status = self._ask()
            self.answers.append(Answer(sent_s, status, time.monotonic() - sent_s))

    def _ask(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/", headers={"Host": self._host})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
        return answer.status
