"""What every route shares: the node's handles, the open streams, and the shape of answers."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from dreamnet.model.services import ServiceName, ServiceSpec
from dreamnet.model.tokens import Token
from dreamnet.model.watches import WatchName
from dreamnet.web.guard import ADMITTED
from dreamnet.web.handles import Handles
from dreamnet.web.problems import MEDIA_TYPE, Problem, unknown
from dreamnet.web.streams import Streams

LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Face:
    """The shared state of one application; `deciding` lets people's decisions come one by one."""

    handles: Handles
    streams: Streams
    deciding: asyncio.Lock = field(default_factory=asyncio.Lock)


async def _face(request: Request) -> Face:
    return request.app.state.face


async def _handles(request: Request) -> Handles:
    return request.app.state.face.handles


async def _caller(request: Request) -> Token:
    return request.scope[ADMITTED]


AnyFace = Annotated[Face, Depends(_face)]
Node = Annotated[Handles, Depends(_handles)]
Caller = Annotated[Token, Depends(_caller)]
Limit = Annotated[int, Query(ge=1, le=1000, description="most that is returned")]
After = Annotated[int, Query(ge=0, le=LARGEST_NUMBER, description="number of the last row seen")]


class ProblemBody(BaseModel):
    """RFC 9457: what is wrong and how to mend it; `exists` names what there is instead."""

    type: str
    title: str
    status: int
    detail: str
    mend: str
    exists: list[str] = Field(default=[])
    errors: list[dict[str, str]] = Field(default=[])


_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"description": "A problem", "model": ProblemBody, "content": _CONTENT},
    422: {"description": "A wrong shape: each field, and how to mend it", "content": _CONTENT},
}
UNPARSABLE: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not JSON", "content": _CONTENT},
}


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")


def to_json(body: object) -> bytes:
    """Return a value as compact JSON; times as ISO 8601."""
    return json.dumps(body, default=_plain, separators=(",", ":")).encode()


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(to_json(body), status, headers, media_type="application/json")


def service_of(handles: Handles, name: str) -> ServiceSpec:
    """Return a service; the problem names the others, or says that it is only watched."""
    if WatchName(name) in handles.world.outside.watches:
        what = f"{name} is only watched: it is not run here, and nothing is ever done to it"
        raise Problem(409, "only-watched", what, mend="see how it is: dreamnet status")
    spec = handles.world.services.get(ServiceName(name))
    if spec is None:
        raise unknown("service", name[:80], list(handles.world.services))
    return spec
