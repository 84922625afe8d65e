"""The node's own restart: let out by the desk like any other, then performed at once."""

from __future__ import annotations

import asyncio

from dreamnet.drivers.store.base import Tx
from dreamnet.kernel.errors import Conflict
from dreamnet.model.actions import (
    Action,
    ActionPhase,
    Agent,
    Office,
    Proposal,
    Verb,
)
from dreamnet.model.settings import load_settings
from dreamnet.web.handles import Handles
from dreamnet.web.replies import Ask

OWN_TARGET = "node"


def own_restart(ask: Ask) -> Proposal:
    """Return the proposal that the node restarts."""
    return Proposal(
        key=ask.proposal_key,
        agent=Agent.OPERATOR,
        performer=Agent.ROOT,
        office=Office.DEPLOY,
        verb=Verb.RESTART,
        target=OWN_TARGET,
        reason=ask.reason,
    )


async def check_next_start(handles: Handles) -> None:
    """Read the settings as the next node will; `ConfigError` when it could not start with them."""
    await asyncio.to_thread(load_settings, handles.settings.file)


async def check_watched(handles: Handles) -> None:
    """Raise `Conflict` when no root lives: the node would end, and nobody would start it again."""
    if not await asyncio.to_thread(handles.watched):
        raise Conflict.of(
            "no root watches this node, so a restart would only end it",
            mend="dreamnet up, which takes the running node over; then restart",
        )


async def restart_if_let_out(handles: Handles, action: Action) -> None:
    """End the node for a restart that was let out and not performed before."""
    if action.proposal.performer is not Agent.ROOT or action.phase is not ActionPhase.PERMITTED:
        return
    claimed = await handles.desk.claim(Agent.ROOT)
    for one in claimed:
        detail = "the node ends; root starts a new one, which adopts everything"
        await handles.desk.finish(one, succeeded=True, detail=detail)
    if claimed:
        handles.restart_node()


async def finish_stale(handles: Handles) -> None:
    """End restarts that an earlier node was let and could not record; they would bar new ones."""

    def waits(tx: Tx) -> bool:
        return any(one.proposal.performer is Agent.ROOT for one in tx.actions.active())

    if await handles.store.read(waits):
        for one in await handles.desk.claim(Agent.ROOT):
            await handles.desk.finish(one, succeeded=False, detail="the node ended before it")
