"""What agents say to each other: durable, delivered at least once, each with an id."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from pydantic import Field

from dreamnet.model.actions import Agent
from dreamnet.model.record import Record

MessageId = NewType("MessageId", str)
CODEC_VERSION = 1


class DeliveryState(StrEnum):
    """Where a message is; `dead` ones wait for a human."""

    QUEUED = "queued"
    LEASED = "leased"
    DELIVERED = "delivered"
    DEAD = "dead"


class Message(Record):
    """One message; `message` is the word for what happened, `payload` its details (JSON)."""

    id: MessageId
    at: datetime
    sender: Agent
    to: Agent
    message: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")
    payload: dict[str, Any] = Field(default={})
    version: int = CODEC_VERSION


class Delivery(Record):
    """A message with the state of its delivery."""

    message: Message
    state: DeliveryState
    attempts: int = 0
    due: datetime
    error: str = ""
