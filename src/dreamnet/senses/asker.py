"""How one kind of probe asks: the shape that HTTP, TCP, gRPC and command share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dreamnet.model.services import Probe
from dreamnet.senses.secrecy import Quote
from dreamnet.senses.target import Target

_NOTHING_SAID = Quote()


@dataclass(frozen=True)
class Answer:
    """What came back: our words in `output`, the service's own, still unmasked, in `quote`."""

    good: bool
    output: str
    quote: Quote = _NOTHING_SAID
    timed_out: bool = False


class Asker(Protocol):
    """Asks one question at a time per target; the caller limits the time by cancelling.

    `ask` returns a bad answer for whatever the world does wrong, and leaves nothing behind when
    it is cancelled: no socket, no process.
    """

    async def ask(self, target: Target, probe: Probe) -> Answer:
        """Put `probe` to `target` over a new connection or process."""
        ...

    async def aclose(self) -> None:
        """Let go of what is shared between questions."""
        ...
