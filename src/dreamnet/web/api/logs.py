"""Log lines of services, and of the node itself."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dreamnet.agents.world import InstanceSeen
from dreamnet.kernel.errors import NotFound
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.instances import InstanceId, slot_target
from dreamnet.model.services import LONGEST_SCALE, ServiceName, ServiceSpec, Slot
from dreamnet.web.face import AnyFace, service_of, to_json
from dreamnet.web.handles import Handles
from dreamnet.web.nodelog import NodeLog
from dreamnet.web.problems import Problem, unknown
from dreamnet.web.streams import Produce, Put, Stream

OWN_NAME = "dreamnet"
MOST_LINES = 10_000
LOOK_EVERY_S = 0.25

router = APIRouter(tags=["logs"])


@router.get(
    "/api/logs/{service}",
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def stream_logs(
    service: str,
    face: AnyFace,
    *,
    lines: Annotated[int, Query(ge=0, le=MOST_LINES)] = 100,
    follow: bool = False,
    slot: Annotated[int | None, Query(ge=1, le=LONGEST_SCALE)] = None,
) -> Response:
    """Return the last lines of each instance, then new ones if `follow`; also `dreamnet` itself."""
    if service == OWN_NAME:
        produce = _own(face.handles, lines, slot, follow=follow)
    else:
        spec = service_of(face.handles, service)
        wanted = _Wanted(face.handles, spec, lines, slot)
        produce = wanted.follow if follow else wanted.once
    # The beat tells a proxy, and us, that the reader is still there; a blank line is no record.
    return face.streams.answer(Stream(produce, "application/x-ndjson", beat=b"\n"))


def _own(handles: Handles, lines: int, slot: int | None, *, follow: bool) -> Produce:
    if slot is not None:
        mend = "leave slot out: DreamNet runs once"
        raise Problem(422, "invalid", "DreamNet has no slots", mend=mend)
    log = NodeLog(handles.settings.data_dir / "logs" / "dreamnet" / "node.log")

    async def produce(put: Put) -> None:
        async for line in log.lines(lines, follow=follow):
            await put(_record(OWN_NAME, None, line))

    return produce


class _Wanted:
    """The lines asked for of one service."""

    def __init__(self, handles: Handles, spec: ServiceSpec, lines: int, slot: int | None) -> None:
        self._handles = handles
        self._service: ServiceName = spec.name
        self._lines = lines
        self._slot = slot
        if slot is not None:
            check_slot(handles, spec, slot)

    async def once(self, put: Put) -> None:
        """Put the last lines, instance by instance."""
        for seen in self._instances():
            await self._pump(seen, put, self._lines, follow=False)

    async def follow(self, put: Put) -> None:
        """Put the last lines and what comes, also of instances that start later."""
        known: set[InstanceId] = set()
        lines = self._lines
        async with Tasks("logs") as tasks:
            while True:
                new = [seen for seen in self._instances() if seen.instance.id not in known]
                for seen in new:
                    known.add(seen.instance.id)
                    self._begin(tasks, seen, put, lines)
                lines = MOST_LINES
                await asyncio.sleep(LOOK_EVERY_S)

    def _begin(self, tasks: Tasks, seen: InstanceSeen, put: Put, lines: int) -> None:
        tasks.once(seen.instance.id, lambda: self._pump(seen, put, lines, follow=True))

    def _instances(self) -> list[InstanceSeen]:
        found = [
            seen
            for seen in self._handles.world.of_service(self._service)
            if self._slot is None or seen.instance.slot == self._slot
        ]
        return sorted(found, key=lambda seen: (seen.instance.slot, seen.instance.created))

    async def _pump(self, seen: InstanceSeen, put: Put, lines: int, *, follow: bool) -> None:
        instance = seen.instance
        try:
            async for line in self._handles.platform.logs(instance.id, lines=lines, follow=follow):
                await put(_record(instance.id, instance.slot, line))
        except NotFound:
            return  # forgotten meanwhile, its file gone


def _record(instance: str, slot: int | None, line: str) -> bytes:
    return to_json({"instance": instance, "slot": slot, "line": line}) + b"\n"


def check_slot(handles: Handles, spec: ServiceSpec, slot: int) -> None:
    """Raise 404 for a slot that is neither wanted nor there."""
    wanted = range(1, handles.world.desired.get(spec.name, 0) + 1)
    there = {seen.instance.slot for seen in handles.world.of_service(spec.name)}
    exists = sorted(there | {Slot(number) for number in wanted})
    if slot not in exists:
        names = [slot_target(spec.name, number) for number in exists]
        raise unknown("slot", f"{spec.name}/{slot}", names)
