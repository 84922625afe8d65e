"""A request in the waiting room: its head is read, its body followed to the end and dropped."""

from __future__ import annotations

from dataclasses import dataclass, field

LARGEST_HEAD_BYTES = 96 * 1024
LARGEST_BODY_BYTES = 1024 * 1024  # what the gateway keeps for a second try; more cannot wait


@dataclass
class Body:
    """Follows a request body to its end without keeping it."""

    left: int = 0
    chunked: bool = False
    seen: int = 0
    complete: bool = False
    _line: bytes = b""
    _in_trailer: bool = False
    _skip: int = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes; ValueError when the chunks are malformed."""
        self.seen += len(data)
        if self.chunked:
            self._feed_chunks(data)
            return
        self.left -= len(data)
        self.complete = self.left <= 0

    def _feed_chunks(self, data: bytes) -> None:
        while data and not self.complete:
            if self._skip:
                step = min(self._skip, len(data))
                self._skip -= step
                data = data[step:]
                continue
            head, found, data = data.partition(b"\n")
            self._line += head
            if found:
                self._end_of_line(self._line.strip())
                self._line = b""
            elif len(self._line) > LARGEST_HEAD_BYTES:
                raise ValueError("chunk line too long")

    def _end_of_line(self, line: bytes) -> None:
        if self._in_trailer:
            self.complete = not line
        elif line:  # the empty line after a chunk says nothing
            size = int(line.split(b";")[0], 16)
            self._skip = size
            self._in_trailer = size == 0


@dataclass
class Request:
    """The head of a request, as far as the room cares."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])

    @classmethod
    def parse(cls, head: bytes) -> Request:
        """Return the request that `head` begins; ValueError when it is none."""
        first, _, rest = head.partition(b"\r\n")
        method, path, _ = first.split(b" ", 2)
        request = cls(method, path)
        for line in rest.split(b"\r\n"):
            name, found, value = line.partition(b":")
            if found:
                request.headers[name.strip().lower()] = value.strip()
        return request

    def body(self) -> Body:
        """Return the follower of its body."""
        if b"chunked" in self.headers.get(b"transfer-encoding", b"").lower():
            return Body(chunked=True)
        length = int(self.headers.get(b"content-length", b"0"))
        return Body(left=length, complete=length == 0)

    def can_wait(self) -> bool:
        """Tell whether the gateway is able to send it again later."""
        if b"upgrade" in self.headers:  # an upgraded stream has no end, so it is never sent again
            return False
        return int(self.headers.get(b"content-length", b"0")) <= LARGEST_BODY_BYTES
