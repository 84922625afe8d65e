"""A service that starts in a blink: says who it is, writes as many log lines as it is told."""

from __future__ import annotations

import os
import socket
import time
from threading import Thread

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
_TICKS_PER_S = 20
_LINE = b"a line of a service that has much to say and says it again and again\n"


def answer(connection: socket.socket) -> None:
    """Answer one request."""
    with connection:
        connection.settimeout(5)
        heard = b""
        try:
            while b"\r\n\r\n" not in heard:
                part = connection.recv(4096)
                if not part:
                    return
                heard += part
            connection.sendall(_ANSWER)
        except OSError:
            return


def chatter(lines_per_s: int) -> None:
    """Write log lines for ever, evenly, whatever happens to them."""
    due = time.monotonic()
    while True:
        os.write(1, _LINE * (lines_per_s // _TICKS_PER_S))
        due += 1 / _TICKS_PER_S
        time.sleep(max(0.0, due - time.monotonic()))


def main() -> None:
    """Note the start, then serve for ever."""
    line = f"{os.environ['DREAMNET_INSTANCE']} {os.getpid()}\n"
    with open(os.environ["STARTS"], "a") as starts:  # noqa: PTH123 - without site packages, quickly
        starts.write(line)
    server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
    if lines := int(os.environ.get("LINES_PER_S", "0")):
        Thread(target=chatter, args=(lines,), daemon=True).start()
    while True:
        Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
