"""What a command says when it fails: what, where, how to mend it, and the exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

import click

from dreamnet.kernel.errors import Complaint, DreamNetError, UserError

FAILED, WRONG, ABSENT, INTERRUPTED = 1, 2, 3, 130


@dataclass
class Failure(Exception):
    """A command cannot do what was asked; `more` goes into the JSON form only."""

    what: str
    where: str = ""
    mend: str = ""
    code: int = FAILED
    more: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        super().__init__(self.what)


def tell(failure: Failure, *, as_json: bool) -> None:
    """Write a failure to stderr."""
    if as_json:
        body = {"what": failure.what, "where": failure.where, "mend": failure.mend}
        click.echo(json.dumps({"error": body | {"code": failure.code} | failure.more}), err=True)
        return
    complaint = Complaint(failure.what, failure.where, failure.mend)
    click.echo(f"dreamnet: {complaint}", err=True)


def failure_of(error: Exception) -> Failure | None:
    """Return the failure that an error means to the user; None when it is a bug of ours."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, click.ClickException):
        return _of_click(error)
    if isinstance(error, UserError):
        return _of_complaints(error)
    if isinstance(error, DreamNetError):
        return Failure(str(error))
    if isinstance(error, OSError):  # the machine refuses: no rights, no space, no such folder
        return Failure(error.strerror or str(error), where=str(error.filename or ""))
    return _of_client(error)


def _of_click(error: click.ClickException) -> Failure:
    context = error.ctx if isinstance(error, click.UsageError) else None
    mend = f"see: {context.command_path} --help" if context is not None else ""
    return Failure(error.format_message(), mend=mend, code=error.exit_code)


def _of_complaints(error: UserError) -> Failure:
    if len(error.complaints) == 1:
        [one] = error.complaints
        return Failure(one.what, one.where, one.mend, WRONG)
    listed = [vars(one) for one in error.complaints]
    return Failure(str(error), code=WRONG, more={"complaints": listed})


def _of_client(error: Exception) -> Failure | None:
    from dreamnet.client import ApiProblem, ClientError, NodeAddressError, NodeUnreachable

    if isinstance(error, ApiProblem):
        return _of_problem(error.status, error.title, error.detail, error.extras)
    if isinstance(error, (NodeUnreachable, NodeAddressError)):
        return Failure(str(error), code=ABSENT)
    return Failure(str(error)) if isinstance(error, ClientError) else None


def _mends(extras: dict[str, Any]) -> list[str]:
    """Return how to mend a problem and each of its errors, every way once."""
    errors = cast("list[dict[str, Any]]", extras.get("errors") or [])
    return list(dict.fromkeys(str(one["mend"]) for one in (extras, *errors) if one.get("mend")))


def _of_problem(status: int, title: str, detail: str, extras: dict[str, Any]) -> Failure:
    what = f"{title}: {detail}" if detail else title
    for one in cast("list[dict[str, Any]]", extras.get("errors") or []):
        if str(one.get("what")) not in detail:  # else the fact is told once already
            told = [f"{key}: {value}" for key, value in one.items() if value and key != "mend"]
            what += "\n  " + ", ".join(told)
    mend = "; ".join(_mends(extras))
    exists = [str(name) for name in cast("list[Any]", extras.get("exists") or [])]
    if exists and not all(name in mend for name in exists):
        mend = f"{mend}; " * bool(mend) + f"there is: {', '.join(exists)}"
    after = extras.get("retry_after_s")
    if after:
        mend = f"{mend}; " * bool(mend) + f"try again in {after:g} s"
    problem = {"status": status, "title": title, "detail": detail, **extras}
    return Failure(what, mend=mend, more={"problem": problem})
