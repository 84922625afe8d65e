"""What the API shows of services, dreams, actions and messages."""

from __future__ import annotations

import asyncio
from typing import Any

from dreamnet.agents.hindsight import Lookback
from dreamnet.agents.world import InstanceSeen
from dreamnet.drivers.store.base import LedgerRow
from dreamnet.health.probe import Probe
from dreamnet.health.report import Report
from dreamnet.health.status import Status
from dreamnet.kernel.errors import DreamNetError
from dreamnet.model.actions import FINAL_PHASES, Action, ActionPhase
from dreamnet.model.cases import Case, CaseKind
from dreamnet.model.facts import EnvInvalid
from dreamnet.model.instances import Usage
from dreamnet.model.messages import Delivery, DeliveryState
from dreamnet.model.services import ServiceSpec
from dreamnet.web.handles import Handles

View = dict[str, Any]

_ESCALATED = "escalated"
_AT_REST = frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD})


async def service_view(handles: Handles, spec: ServiceSpec) -> View:
    """Return a service with its instances."""
    seen = handles.world.of_service(spec.name)
    ordered = sorted(seen, key=lambda one: (one.instance.slot, one.instance.created))
    instances = await asyncio.gather(*(_instance(handles, one) for one in ordered))
    problem = handles.world.env_problems.get(spec.name)
    return {
        "name": spec.name,
        "desired": handles.world.desired.get(spec.name, 0),
        "ready": sum(1 for one in seen if one.is_ready and not one.withdrawn),
        "run": spec.run,
        "route": {"host": spec.route.host, "path": spec.route.path} if spec.route else None,
        "url": _url(handles, spec),
        "on_all_unready": spec.on_all_unready,
        "env_problem": env_words(problem) if problem else None,
        "instances": list(instances),
    }


def gateway_url(handles: Handles) -> str:
    """Return where a caller on this machine reaches the gateway."""
    return f"http://{handles.settings.gateway.listen.from_here}"


def _url(handles: Handles, spec: ServiceSpec) -> str | None:
    return None if spec.route is None else f"{gateway_url(handles)}{spec.route.path}"


def env_words(problem: EnvInvalid) -> str:
    """Return what is wrong with an environment; names only."""
    gaps = {
        "missing": problem.missing,
        "blank": problem.blank,
        "unreadable": problem.unreadable,
    }
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in gaps.items() if names)


async def usage_of(handles: Handles, seen: InstanceSeen) -> Usage | None:
    """Return what a running instance uses, None when that cannot be told."""
    if not seen.running:
        return None
    try:
        return await handles.platform.usage(seen.instance.id)
    except DreamNetError:
        return None


async def _instance(handles: Handles, seen: InstanceSeen) -> View:
    instance, world = seen.instance, handles.world
    usage = await usage_of(handles, seen)
    up_s = (world.clock.now() - instance.created).total_seconds() if seen.running else None
    return {
        "id": instance.id,
        "slot": instance.slot,
        "target": instance.target,
        "state": instance.state,
        "pid": instance.pid,
        "port": instance.port,
        "live": seen.live.verdict,
        "ready": seen.ready.verdict,
        "in_traffic": seen.running and instance.address in world.in_traffic,
        "withdrawn": seen.withdrawn,
        "uptime_s": up_s,
        "exit": str(instance.exit) if instance.exit else None,
        "rss_bytes": usage.rss_bytes if usage else None,
        "cpu_seconds": usage.cpu_seconds if usage else None,
    }


async def node_view(handles: Handles) -> View:
    """Return how the node itself is."""
    report = await handles.health.report(Probe.READY)
    world = handles.world
    return {
        "version": handles.version,
        "ready": report.status is not Status.FAIL,
        "why": _why(handles, report),
        "uptime_s": (world.clock.now() - world.started_at).total_seconds(),
        "started": world.started_at,
        "halted": handles.desk.halted(),
        "data_dir": str(handles.settings.data_dir.resolve()),
        "url": f"http://{handles.settings.node.listen.from_here}",
    }


def _why(handles: Handles, report: Report) -> list[str]:
    """Return what is not well; a node that waits for its store has run no checks yet."""
    told, trouble = reasons(report), handles.store_trouble()
    if trouble is not None and not any(one.startswith("store:") for one in told):
        told.append(f"store: {trouble.words}")
    return told


def reasons(report: Report) -> list[str]:
    """Return what is not well, in words."""
    ill = [one for one in report.outcomes if one.finding.status is not Status.PASS]
    return [*report.notes, *(f"{one.check.name}: {one.finding.output}" for one in ill)]


def gateway_view(handles: Handles) -> View:
    """Return how the gateway is."""
    sample = handles.sample()
    return {
        "alive": handles.world.parts["gateway"].good_in_row > 0,
        "room_alive": handles.world.parts["room"].good_in_row > 0,
        "url": gateway_url(handles),
        "waiting": sample.waiting if sample else 0,
        "requests": sample.requests if sample else 0,
    }


async def dream_counts(handles: Handles) -> View:
    """Return how many dreams are live, and how many of these wait for a person.

    None for both while the store cannot tell: all else is still worth an answer.
    """
    try:
        live = await handles.store.read(lambda tx: tx.cases.live(CaseKind.DREAM))
    except DreamNetError:
        return {"live": None, "escalated": None}
    escalated = sum(1 for case in live if case.phase == _ESCALATED)
    return {"live": len(live), "escalated": escalated}


def store_view(handles: Handles) -> View:
    """Return what is wrong with the store, from memory."""
    known = handles.store_trouble()
    if known is None:
        return {"ok": True, "since": None, "why": ""}
    return {"ok": False, "since": known.since, "why": known.words}


def dream_view(case: Case) -> View:
    """Return a dream in short; read as data, so that one of a newer DreamNet can be shown too."""
    data = case.data
    symptom: View = data.get("symptom", {})
    story: list[View] = data.get("story", [])
    return {
        "id": case.id,
        "target": case.target,
        "symptom": symptom.get("kind", ""),
        "words": symptom.get("words", ""),
        "phase": case.phase,
        "live": case.live,
        "opened": case.opened,
        "noticed": data.get("noticed"),
        "updated": case.updated,
        "tries": len(data.get("tries", [])),
        "last": story[-1].get("words", "") if story else "",
    }


def whole_dream_view(case: Case, actions: list[Action], deliveries: list[Delivery]) -> View:
    """Return all of a dream."""
    more = {name: case.data.get(name) for name in ("story", "tries", "bundle", "report", "due")}
    return {
        **dream_view(case),
        **more,
        "actions": [action_view(action) for action in actions],
        "messages": [message_view(delivery) for delivery in deliveries],
    }


def action_view(action: Action) -> View:
    """Return an action; `done` once its outcome is known."""
    proposal = action.proposal
    return {
        "id": action.id,
        "verb": proposal.verb,
        "target": proposal.target,
        "args": proposal.args,
        "office": proposal.office,
        "agent": proposal.agent,
        "performer": proposal.performer,
        "phase": action.phase,
        "done": action.phase in FINAL_PHASES,
        "at": action.at,
        "ended": action.ended,
        "detail": action.detail,
        "reason": proposal.reason,
        "case": proposal.case,
    }


async def waiting_views(handles: Handles) -> list[View] | None:
    """Return the actions that wait for a yes, oldest first; None while the store cannot tell."""
    try:
        found = await handles.store.read(lambda tx: tx.actions.in_phases({ActionPhase.PROPOSED}))
    except DreamNetError:
        return None
    return [action_view(action) for action in found]


def would_view(one: Lookback) -> View:
    """Return a would-be action, how it ended without it, and what the remedy did before."""
    proposal, ended, known = one.action.proposal, one.outcome, one.estimate
    return {
        "id": one.action.id,
        "at": one.action.at,
        "office": proposal.office,
        "target": proposal.target,
        "symptom": proposal.args.get("symptom", ""),
        "verb": proposal.verb,
        "reason": proposal.reason,
        "dream": proposal.case,
        "ending": ended.ending,
        "words": ended.words,
        "proven_s": ended.proven_s,
        "sooner_s": ended.sooner_s,
        "record": {
            "words": known.words,
            "known": known.known,
            "worked": known.worked,
            "median_s": known.median_s,
        },
    }


def message_view(delivery: Delivery) -> View:
    """Return a message; `done` once it is delivered or dead."""
    message = delivery.message
    return {
        "id": message.id,
        "from": message.sender,
        "to": message.to,
        "message": message.message,
        "payload": message.payload,
        "at": message.at,
        "state": delivery.state,
        "done": delivery.state in _AT_REST,
        "attempts": delivery.attempts,
        "error": delivery.error,
    }


def row_view(row: LedgerRow) -> View:
    """Return a row of the ledger."""
    return {
        "seq": row.seq,
        "at": row.at,
        "kind": row.kind,
        "subject": row.subject,
        "body": row.body,
        "hash": row.hash,
    }
