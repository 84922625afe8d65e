"""The TCP probe: a connection that opens is good."""

from __future__ import annotations

import asyncio

from dreamnet.model.services import Probe
from dreamnet.senses.asker import Answer
from dreamnet.senses.oserror import in_words
from dreamnet.senses.target import Target


class TcpAsker:
    """Opens a connection and closes it again, without a byte sent."""

    async def ask(self, target: Target, probe: Probe) -> Answer:  # noqa: ARG002 - Asker's shape
        """Connect once; a connection to itself (nobody listens, port reused) is no answer."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(
                asyncio.Protocol, target.instance.host, target.instance.port
            )
        except OSError as error:
            return Answer(good=False, output=in_words(error))
        try:
            own, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        finally:
            transport.abort()
        if own == peer:
            return Answer(good=False, output="nobody listens on the port")
        return Answer(good=True, output="connected")

    async def aclose(self) -> None:
        """Nothing is shared."""
