"""Client of a DreamNet node's HTTP API, with the standard library only."""

from __future__ import annotations

from dreamnet.client.client import Client
from dreamnet.client.errors import (
    AnswerError,
    ApiProblem,
    ClientError,
    NodeAddressError,
    NodeUnreachable,
    StillRunning,
)
from dreamnet.client.events import Event, Patience

__all__ = [
    "AnswerError",
    "ApiProblem",
    "Client",
    "ClientError",
    "Event",
    "NodeAddressError",
    "NodeUnreachable",
    "Patience",
    "StillRunning",
]
