"""The smallest useful HTTP server: `python -I -S bench/tiny.py PORT`; one thread, about 9 MB.

The scale benchmark runs hundreds of it, so it imports hardly more than `select` and `socket`.
"""

from __future__ import annotations

import select
import socket
import sys

Connections = dict[int, tuple[socket.socket, bytearray]]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def serve(port: int) -> None:
    """Answer 200 to every request without a body, until killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    listener.settimeout(0)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    connections: Connections = {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                accept(listener, poll, connections)
            elif not answer(connections[number][0], connections[number][1]):
                poll.unregister(number)
                connections.pop(number)[0].close()


def accept(listener: socket.socket, poll: select.epoll, connections: Connections) -> None:
    """Take one new connection, unless it is gone already."""
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    connection.settimeout(0)
    connections[connection.fileno()] = connection, bytearray()
    poll.register(connection.fileno(), select.EPOLLIN)


def answer(connection: socket.socket, waiting: bytearray) -> bool:
    """Answer what is complete; false once the peer has gone."""
    try:
        piece = connection.recv(65536)
        if not piece:
            return False
        waiting += piece
        *complete, rest = bytes(waiting).split(b"\r\n\r\n")
        waiting[:] = rest
        connection.send(ANSWER * len(complete))
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    serve(int(sys.argv[1]))
