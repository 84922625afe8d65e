#!/usr/bin/env -S python3 -IS
"""Ask the node of this container whether it lives: exit 0 when it answers 200, 1 otherwise.

Asks where `[node] listen` of /app/dreamnet.toml says, always over loopback.
"""

import socket
import sys
import tomllib
from pathlib import Path

SETTINGS = Path("/app/dreamnet.toml")
DEFAULT_LISTEN = "127.0.0.1:7300"
LIMIT_S = 3.0


def main() -> int:
    """Return the exit code; say on standard error what is wrong, for `docker inspect`."""
    host, port = address()
    try:
        answer = ask(host, port)
    except OSError as error:
        sys.stderr.write(f"no answer on {host}:{port}: {error}\n")
        return 1
    status = answer.partition(b"\r\n")[0].decode(errors="replace")
    if status.split(" ")[1:2] == ["200"]:
        return 0
    sys.stderr.write(f"{host}:{port} says: {status or 'nothing'}\n")
    return 1


def address() -> tuple[str, int]:
    """Return where to ask; what listens everywhere is asked at loopback."""
    listen = DEFAULT_LISTEN
    try:
        node = tomllib.loads(SETTINGS.read_text()).get("node", {})
        listen = str(node.get("listen", DEFAULT_LISTEN))
    except (OSError, ValueError, AttributeError) as error:
        sys.stderr.write(f"{SETTINGS}: {error}; asking {listen}\n")
    host, _, port = listen.rpartition(":")
    bare = host.strip("[]")
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # asked, not bound
    return loopback.get(bare, bare), int(port)


def ask(host: str, port: int) -> bytes:
    """Return the beginning of the answer; OSError when there is none in time."""
    with socket.create_connection((host, port), LIMIT_S) as connection:
        connection.settimeout(LIMIT_S)
        connection.sendall(b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return connection.recv(256)


if __name__ == "__main__":
    sys.exit(main())
