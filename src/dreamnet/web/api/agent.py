"""The agents' door: questions are answered at once, work goes through the desk."""

from typing import assert_never

from fastapi import APIRouter
from starlette.responses import Response

from dreamnet.drivers.store.base import Tx
from dreamnet.health.probe import Probe
from dreamnet.health.status import Status as HealthStatus
from dreamnet.kernel.errors import Conflict
from dreamnet.kernel.ids import fresh_id
from dreamnet.kernel.log import logger
from dreamnet.model.actions import (
    Action,
    ActionId,
    Agent,
    Observed,
    Office,
    Proposal,
    Rejected,
    Settled,
    Verb,
    Waiting,
)
from dreamnet.model.cases import Case, CaseKind
from dreamnet.model.instances import slot_target
from dreamnet.model.messages import DeliveryState, Message, MessageId
from dreamnet.model.services import ServiceName, ServiceSpec, Slot
from dreamnet.web.api.logs import check_slot
from dreamnet.web.api.status import own_status
from dreamnet.web.face import UNPARSABLE, Caller, Node, service_of
from dreamnet.web.handles import Handles
from dreamnet.web.problems import Problem
from dreamnet.web.replies import Ask, Key, Replies, Reply
from dreamnet.web.requests import (
    AgentCall,
    DeployKeeperCall,
    DreamKeeperCall,
    DreamNetHealth,
    EnvKeeperCall,
    RelayBotCall,
    Restart,
    Scale,
    ServiceHealth,
    Status,
)
from dreamnet.web.restart import (
    check_next_start,
    check_watched,
    finish_stale,
    own_restart,
    restart_if_let_out,
)
from dreamnet.web.views import View, dream_view, gateway_view, reasons, service_view

router = APIRouter(tags=["agents"])
log = logger("web")


@router.post(
    "/api/agent",
    responses={
        **UNPARSABLE,
        202: {"description": "Work that was let out, or waits: follow `link`"},
    },
)
async def ask_agent(
    call: AgentCall, node: Node, caller: Caller, idempotency_key: Key = None
) -> Response:
    """Ask an agent: a question is answered at once (200), work gives a link to follow (202)."""
    ask = Ask("agent", call.model_dump(mode="json"), caller, idempotency_key)
    match call:
        case DreamKeeperCall():
            return await Replies(node, ask).question(lambda: _dreamkeeper(node, call))
        case DeployKeeperCall():
            return await _deploykeeper(node, ask, call.input)
        case EnvKeeperCall():
            return await Replies(node, ask).question(lambda: _envkeeper(node, call))
        case RelayBotCall():
            return await _relaybot(node, ask, call)
        case _:
            assert_never(call)


def _answered(agent: Agent, result: View, *, ok: bool, dream: str | None = None) -> Reply:
    body: View = {"agent": agent, "ok": ok, "result": result}
    return Reply(200, body | ({"dream": dream} if dream else {}))


# -- DreamKeeper


async def _dreamkeeper(node: Handles, call: DreamKeeperCall) -> Reply:
    match call.input:
        case DreamNetHealth():
            return await _own_health(node)
        case ServiceHealth(target=target):
            return await _service_health(node, service_of(node, target))
        case _:
            assert_never(call.input)


async def _live(node: Handles) -> list[Case]:
    return await node.store.read(lambda tx: tx.cases.live(CaseKind.DREAM))


async def _own_health(node: Handles) -> Reply:
    report = await node.health.report(Probe.COMBINED)
    dreams = await _live(node)
    ok = report.status is not HealthStatus.FAIL
    parts = {name: part.good_in_row > 0 for name, part in node.world.parts.items()}
    result: View = {
        "ok": ok,
        "status": report.status,
        "why": reasons(report),
        "checks": report.checks(),
        "parts": parts,
        "gateway": gateway_view(node),
        "dreams": [dream_view(case) for case in dreams],
        "halted": node.desk.halted(),
    }
    return _answered(Agent.DREAMKEEPER, result, ok=ok)


async def _service_health(node: Handles, spec: ServiceSpec) -> Reply:
    view = await service_view(node, spec)
    dreams = [one for one in await _live(node) if one.target.partition("/")[0] == spec.name]
    ok = view["ready"] >= view["desired"] and not dreams and view["env_problem"] is None
    result: View = {"ok": ok, **view, "dreams": [dream_view(case) for case in dreams]}
    dream = dreams[0].id if dreams else None
    return _answered(Agent.DREAMKEEPER, result, ok=ok, dream=dream)


# -- DeployKeeper


async def _deploykeeper(node: Handles, ask: Ask, wanted: Restart | Scale | Status) -> Response:
    match wanted:
        case Restart():
            return await _restart(node, ask, wanted)
        case Scale():
            return await _scale(node, ask, wanted)
        case Status():
            return await Replies(node, ask).question(lambda: _status(node, wanted))
        case _:
            assert_never(wanted)


async def _status(node: Handles, wanted: Status) -> Reply:
    if wanted.service is None:
        own = await own_status(node)
        return _answered(Agent.DEPLOYKEEPER, own, ok=own["ready"])
    view = await service_view(node, service_of(node, wanted.service))
    return _answered(Agent.DEPLOYKEEPER, view, ok=view["ready"] >= view["desired"])


async def _restart(node: Handles, ask: Ask, wanted: Restart) -> Response:
    if wanted.service is None:
        return await _restart_self(node, ask, wanted)
    spec = service_of(node, wanted.service)
    if wanted.slot is not None:
        check_slot(node, spec, wanted.slot)
    elif not node.world.desired.get(spec.name):
        raise Conflict.of(f"{spec.name} has no instances to restart", mend="scale it up first")
    target = spec.name if wanted.slot is None else slot_target(spec.name, Slot(wanted.slot))
    proposal = Proposal(
        key=ask.proposal_key,
        agent=Agent.OPERATOR,
        performer=Agent.DEPLOYKEEPER,
        office=Office.DEPLOY,
        verb=Verb.RESTART,
        target=target,
        reason=ask.reason,
    )
    return await Replies(node, ask).work(lambda tx: _judged(node, tx, proposal))


async def _restart_self(node: Handles, ask: Ask, wanted: Restart) -> Response:
    if wanted.slot is not None:
        mend = "leave slot out, or name a service"
        raise Problem(422, "invalid", "DreamNet has no slots", mend=mend)
    await check_watched(node)
    await check_next_start(node)
    if node.store_trouble() is not None:
        return _restart_unrecorded(node)
    await finish_stale(node)
    let_out: list[Action] = []

    def judge(tx: Tx) -> Reply | Problem:
        let_out.clear()  # a transaction may run twice
        made = _judged(node, tx, own_restart(ask))
        if isinstance(made, Reply):
            action = tx.actions.get(ActionId(made.body["action"]))
            let_out.extend([] if action is None else [action])
        return made

    response = await Replies(node, ask).work(judge)
    for action in let_out:
        await restart_if_let_out(node, action)
    return response


def _restart_unrecorded(node: Handles) -> Response:
    """Restart without desk and ledger: a new address of the store is read at a start only."""
    if node.desk.halted():
        raise Conflict.of("DreamNet is halted", mend="dreamnet resume")
    detail = "the node restarts; the store does not answer, so this is not on record"
    log.warning("restart asked for through the API while the store is in trouble: not on record")
    node.restart_node()
    return _answered(Agent.DEPLOYKEEPER, {"detail": detail}, ok=True).response()


async def _scale(node: Handles, ask: Ask, wanted: Scale) -> Response:
    if wanted.service is None:
        mend = f"name a service: {', '.join(node.world.services) or 'there is none yet'}"
        raise Problem(422, "not-possible", "DreamNet itself runs once", mend=mend)
    spec = service_of(node, wanted.service)
    if wanted.replicas > spec.replicas.max:
        what = f"{spec.name} may have at most {spec.replicas.max} instances"
        mend = f"ask for less, or raise [services.{spec.name}] replicas.max in dreamnet.toml"
        raise Problem(422, "not-possible", what, mend=mend)
    proposal = Proposal(
        key=ask.proposal_key,
        agent=Agent.OPERATOR,
        performer=Agent.DEPLOYKEEPER,
        office=Office.SCALE,
        verb=Verb.SCALE,
        target=spec.name,
        args={"replicas": wanted.replicas},
        reason=ask.reason,
    )
    return await Replies(node, ask).work(lambda tx: _judged(node, tx, proposal))


def _judged(node: Handles, tx: Tx, proposal: Proposal) -> Reply | Problem:
    verdict = node.desk.judge(tx, proposal)
    match verdict:
        case Settled(action=action) | Waiting(action=action) | Observed(action=action):
            return _let_out(action)
        case Rejected():
            return Problem(
                409,
                "refused",
                verdict.reason,
                mend=verdict.mend,
                retry_after_s=verdict.retry_after_s,
            )
        case _:
            assert_never(verdict)


def _let_out(action: Action) -> Reply:
    proposal = action.proposal
    result: View = {"phase": action.phase, "verb": proposal.verb, "target": proposal.target}
    return Reply(
        202,
        {
            "agent": Agent.DEPLOYKEEPER,
            "ok": True,
            "result": result,
            "action": action.id,
            "link": f"/api/actions/{action.id}",
        },
    )


# -- EnvKeeper


async def _envkeeper(node: Handles, call: EnvKeeperCall) -> Reply:
    service = call.input.service
    name: ServiceName | None = None if service is None else service_of(node, service).name
    reports = await node.envkeeper.validate(name)
    services = [
        {
            "service": report.service,
            "complete": report.complete,
            "missing": list(report.missing),
            "blank": list(report.blank),
            "unreadable": list(report.unreadable),
        }
        for report in reports
    ]
    ok = all(report.complete for report in reports)
    return _answered(Agent.ENVKEEPER, {"services": services}, ok=ok)


# -- RelayBot


async def _relaybot(node: Handles, ask: Ask, call: RelayBotCall) -> Response:
    said = call.input
    message = Message(
        id=MessageId(fresh_id("msg")),
        at=node.world.clock.now(),
        sender=said.sender,
        to=said.to,
        message=said.message,
        payload=said.payload,
    )

    def queue(tx: Tx) -> Reply:
        tx.messages.send(message)
        tx.after_commit(node.relaybot.wake.ring)
        result = {"id": message.id, "state": DeliveryState.QUEUED}
        link = f"/api/messages/{message.id}"
        return Reply(202, {"agent": Agent.RELAYBOT, "ok": True, "result": result, "link": link})

    return await Replies(node, ask).work(queue)
