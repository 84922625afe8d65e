"""Errors as `application/problem+json` (RFC 9457): what, and how to mend it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from dreamnet.kernel.errors import (
    Conflict,
    Corrupt,
    DreamNetError,
    NotFound,
    Refused,
    Transient,
    UserError,
)
from dreamnet.kernel.log import logger
from dreamnet.web.requests import AGENT_TAGS, INPUT_TAGS

MEDIA_TYPE = "application/problem+json"
_SEE_SCHEMA = "see /openapi.json for what is accepted"
_UNKNOWN_NAME = frozenset({"union_tag_invalid", "literal_error", "enum"})
_QUOTED = re.compile(r"'([^']*)'")
_MENDS = {
    "missing": "add this field",
    "extra_forbidden": "leave this field out",
}
log = logger("web")


@dataclass(eq=False)
class Problem(Exception):
    """An answer that is an error; `exists` names what there is instead."""

    status: int
    kind: str
    detail: str
    mend: str = ""
    exists: Sequence[str] | None = None
    retry_after_s: float | None = None
    errors: Sequence[Mapping[str, str]] | None = None
    more_headers: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        super().__init__(self.detail)

    def body(self) -> dict[str, Any]:
        """Return the members of the problem."""
        made: dict[str, Any] = {
            "type": f"urn:dreamnet:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "mend": self.mend,
        }
        if self.exists is not None:
            made["exists"] = list(self.exists)
        if self.errors is not None:
            made["errors"] = [dict(error) for error in self.errors]
        return made

    def headers(self) -> dict[str, str]:
        """Return its headers; `Retry-After` in whole seconds, where asking again makes sense."""
        made = dict(self.more_headers or {})
        if self.retry_after_s is not None:
            made["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        return made

    def response(self) -> JSONResponse:
        """Return the problem as an HTTP answer."""
        return JSONResponse(self.body(), self.status, headers=self.headers(), media_type=MEDIA_TYPE)


def unknown(what: str, name: str, exists: Sequence[str]) -> Problem:
    """Return the problem of a name that does not exist, with those that do."""
    known = ", ".join(exists) or "none"
    return Problem(
        status=404,
        kind=f"unknown-{what}",
        detail=f'there is no {what} "{name}"',
        mend=f"known: {known}",
        exists=tuple(exists),
    )


def no_such(what: str, listed_at: str) -> Problem:
    """Return the problem of an id that nothing has; there may be too many to name them here."""
    return Problem(
        status=404,
        kind=f"unknown-{what}",
        detail=f"there is no such {what}",
        mend=f"GET {listed_at} lists them",
    )


def of_error(error: DreamNetError) -> Problem:
    """Return the problem that tells one of our errors."""
    match error:
        case NotFound():
            return _of_user(error, 404, "not-found")
        case Conflict():
            return _of_user(error, 409, "conflict")
        case UserError():
            return _of_user(error, 422, "not-possible")
        case Refused():
            return Problem(409, "refused", str(error))
        case Transient():
            what, _, mend = str(error).partition("\n  mend: ")
            mend = mend or "ask again in a moment"
            return Problem(503, "unavailable", what, mend=mend, retry_after_s=1.0)
        case Corrupt():
            what, _, mend = str(error).partition("\n  mend: ")
            return Problem(503, "damaged", what, mend=mend)
        case _:
            log.error("request failed", error=str(error))
            return _internal()


def _of_user(error: UserError, status: int, kind: str) -> Problem:
    what = "; ".join(
        f"{complaint.where}: {complaint.what}" if complaint.where else complaint.what
        for complaint in error.complaints
    )
    mend = "; ".join(complaint.mend for complaint in error.complaints if complaint.mend)
    return Problem(status, kind, what, mend=mend)


def _internal() -> Problem:
    mend = "dreamnet logs dreamnet tells more; please report it"
    return Problem(500, "internal", "the node met an error of its own", mend=mend)


def of_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return 400 for what is no JSON, 404 for a name nobody has, 422 for a wrong shape."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(400, "not-json", "the body is not JSON", mend="send a JSON object")
    if all(_names_nobody(error) for error in errors):
        return _unknown_name(errors[0])
    listed = [_told(error) for error in errors]
    words = "; ".join(f"{error['field']}: {error['what']}" for error in listed)
    return Problem(422, "invalid", words, mend=_SEE_SCHEMA, errors=listed)


def _names_nobody(error: Mapping[str, Any]) -> bool:
    return error["type"] in _UNKNOWN_NAME and error["loc"][0] == "body"


def _unknown_name(error: Mapping[str, Any]) -> Problem:
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "union_tag_invalid":
        what = str(context["discriminator"]).strip("'")
        exists = _QUOTED.findall(str(context["expected_tags"]))
        return unknown(what, _short(context["tag"]), exists)
    field = _field(error["loc"]).rpartition(".")[2]
    what = "agent" if field in {"from", "to"} else field
    return unknown(what, _short(error.get("input")), _QUOTED.findall(str(context["expected"])))


def _short(value: object) -> str:
    return str(value)[:80].encode("utf-8", "replace").decode()


def _told(error: Mapping[str, Any]) -> dict[str, str]:
    what = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "union_tag_not_found":
        what = "it is not said which"
    return {
        "field": _field(error["loc"]),
        "what": what,
        "mend": _mend(error),
    }


def _mend(error: Mapping[str, Any]) -> str:
    if error["type"] != "union_tag_not_found":
        return _MENDS.get(error["type"], _SEE_SCHEMA)
    what = str(error["ctx"]["discriminator"]).strip("'")
    return f"say which {what}; GET /api/agents lists what each agent takes"


def _field(place: Sequence[str | int]) -> str:
    """Return the place of an error as its sender wrote it: without the tags of unions."""
    parts = [str(part) for part in place[1:]]
    if place[0] == "body" and parts and parts[0] in AGENT_TAGS:
        del parts[0]
    if len(parts) > 1 and parts[0] == "input" and parts[1] in INPUT_TAGS:
        del parts[1]
    return ".".join(parts) or str(place[0])


def install(app: FastAPI) -> None:
    """Let every error of an application become a problem."""

    async def on_problem(request: Request, error: Exception) -> JSONResponse:
        del request
        return _as_problem(error).response()

    for kind in (Problem, DreamNetError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, on_problem)


def _as_problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case DreamNetError():
            return of_error(error)
        case RequestValidationError():
            return of_validation(error.errors())
        case HTTPException():
            return _of_http(error)
        case _:
            return _internal()


def _of_http(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem(404, "no-route", "nothing is here", mend="see /openapi.json")
    if error.status_code == 400:
        return Problem(400, "not-json", "the body is not JSON", mend="send a JSON object")
    return Problem(
        error.status_code,
        "http",
        str(error.detail),
        mend="see /openapi.json",
        more_headers=error.headers,
    )
