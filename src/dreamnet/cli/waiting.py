"""Waiting that a person can follow and leave: until a condition holds, or until work is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import click

from dreamnet.cli.failure import ABSENT, FAILED, INTERRUPTED, Failure
from dreamnet.cli.here import Here, note
from dreamnet.cli.node import Node, checked, retry_after_s
from dreamnet.cli.output import clean
from dreamnet.client.errors import NodeUnreachable
from dreamnet.client.transport import Answer, Call

GOOD = frozenset({"succeeded", "delivered"})
FINAL = GOOD | {"failed", "rejected", "dead"}
ABSENCE_S = 60.0  # a node that restarts resumes its work
STOPPED_S = 1.0  # no record for so long: nobody is about to start the node again
FOLLOW_LIMIT_S = 600.0
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 1.0
_LONGEST_RETRY_AFTER_S = 30.0
_SAY_EVERY_S = 5.0


class Progress:
    """Says on stderr what is waited for: whenever it changes, and every 5 s that it does not."""

    def __init__(self) -> None:
        self._said = ""
        self._began = self._said_at = time.perf_counter()

    def tell(self, words: str) -> None:
        """Say what is waited for now."""
        now = time.perf_counter()
        if words == self._said and now - self._said_at < _SAY_EVERY_S:
            return
        since = f" ({now - self._began:.0f} s)" if words == self._said else ""
        self._said, self._said_at = words, now
        note(f"{words}{since}")


@contextmanager
def leaving(words: str) -> Generator[None]:
    """Let Ctrl-C end a wait with a word about what goes on, exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("", err=True)
        raise Failure(words, code=INTERRUPTED) from None


def until(condition: Callable[[], bool], limit_s: float, pause_s: float = 0.1) -> bool:
    """Ask until the condition holds; false when the limit came first."""
    end = time.perf_counter() + limit_s
    while not condition():
        if time.perf_counter() > end:
            return False
        time.sleep(pause_s)
    return True


def follow(node: Node, link: str, limit_s: float = FOLLOW_LIMIT_S) -> dict[str, Any]:
    """Poll an action until it is over and return it; a node that restarts meanwhile is waited for.

    An action that waits for a person's approval is returned as it is: nobody knows for how long.
    Failure when it is not over within the limit.
    """
    progress = Progress()
    end = time.perf_counter() + limit_s
    heard, wait_s = time.perf_counter(), _FIRST_WAIT_S
    while time.perf_counter() < end:
        answer = _ask(node, link)
        if answer is None:
            progress.tell("the node does not answer; waiting for it")
            _check_absence(node, time.perf_counter() - heard)
            time.sleep(wait_s)
            continue
        heard = time.perf_counter()
        if answer.status not in (429, 503):
            body = cast("dict[str, Any]", checked(answer).body)
            if is_over(body) or body.get("phase") == "proposed":
                return body
            progress.tell(f"{_what(body)}: {_words(body)}")
        time.sleep(max(wait_s, min(retry_after_s(answer), _LONGEST_RETRY_AFTER_S)))
        wait_s = min(wait_s * 1.5, _LONGEST_WAIT_S)
    mend = f"follow it with: dreamnet dreams, or GET {link}"
    raise Failure(f"{link} is not over after {limit_s:g} s: it goes on", mend=mend)


def _check_absence(node: Node, silent_s: float) -> None:
    """Give up on a node that was stopped on purpose, or that is away for too long."""
    if silent_s > STOPPED_S and node.was_stopped:
        raise Failure("the node was stopped meanwhile", node.url, "dreamnet up", ABSENT)
    if silent_s > ABSENCE_S:
        raise NodeUnreachable(f"the node at {node.url} has not come back")


def _ask(node: Node, link: str) -> Answer | None:
    try:
        return node.send(Call("GET", link))
    except NodeUnreachable:
        return None


def is_over(work: dict[str, Any]) -> bool:
    """Tell whether an action, or a message, has its outcome."""
    return work.get("done") is True or _phase(work) in FINAL


def _phase(work: dict[str, Any]) -> str:
    return str(work.get("phase") or work.get("state") or "")


def _words(work: dict[str, Any]) -> str:
    return clean(work.get("detail") or work.get("error") or _phase(work) or "under way")


def _what(work: dict[str, Any]) -> str:
    named = work.get("verb") or work.get("message") or "work"
    return clean(f"{named} {work.get('target') or work.get('to') or ''}")


def conclude(here: Here, node: Node, answer: dict[str, Any], *, wait: bool) -> None:
    """Show what became of work that the node accepted; exit code 1 when it failed."""
    link = answer.get("link")
    if not wait or not isinstance(link, str):
        _show(here, answer, _accepted(answer))
        return
    with leaving(f"the work goes on without you: GET {link} tells how it ends"):
        work = follow(node, link)
    whole = {**answer, "outcome": work}
    if _phase(work) == "proposed":
        mend = f"dreamnet reef approve {work.get('id', '')}"
        _show(here, whole, f"{_what(work)} waits for a person's approval: {mend}")
        return
    phase, words = _phase(work), _words(work)
    _show(here, whole, f"{_what(work)}: {phase}" + (f"; {words}" if words != phase else ""))
    if phase not in GOOD:
        sys.exit(FAILED)


def _accepted(answer: dict[str, Any]) -> str:
    detail: object = answer.get("result", {}).get("detail")
    return clean(detail or f"accepted: {answer.get('action') or answer.get('link') or ''}")


def _show(here: Here, body: dict[str, Any], words: str) -> None:
    if here.as_json:
        here.show_json(body)
    else:
        click.echo(words)
