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
    """One request: when it was sent (CLOCK_MONOTONIC), how long it took, how it ended (0: not)."""

    sent_s: float
    took_s: float
    status: int
    words: str


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
            status, words = self._ask()
            self.answers.append(Answer(sent_s, time.monotonic() - sent_s, status, words))

    def _ask(self) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/", headers={"Host": self._host})
            answer = connection.getresponse()
            words = answer.read(500).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()
        return answer.status, words
