"""Follows work that the node accepted (202) until it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from dreamnet.client.errors import AnswerError, NodeUnreachable, StillRunning
from dreamnet.client.transport import Answer

_FIRST_WAIT = 0.1
_LONGEST_WAIT = 1.0
_LONGEST_RETRY_AFTER = 10.0
_ABSENCE = 30.0  # a node that restarts resumes its work, so a short absence is no failure


@dataclass(frozen=True, slots=True)
class Follow:
    """How to follow: seconds in all, and who is told each answer's body."""

    timeout: float
    on_answer: Callable[[Any], None] | None = None


def follow_link(fetch: Callable[[str], Answer], link: str, follow: Follow) -> Any:
    """Poll until the answer is final and return its body.

    Not final: status 202, or a body with `"done": false`. A 303 leads on to its Location.
    """
    began = heard = time.perf_counter()
    wait = _FIRST_WAIT
    while True:
        try:
            answer = fetch(link)
            heard = time.perf_counter()
        except NodeUnreachable:
            if time.perf_counter() - heard > min(_ABSENCE, follow.timeout):
                raise
            answer = None
        if answer is not None:
            if answer.status != 303 and _is_final(answer.checked()):
                return answer.body
            link = answer.headers.get("Location") or link
            _tell(follow, answer)
        if time.perf_counter() - began > follow.timeout:
            raise StillRunning(link, follow.timeout)
        time.sleep(max(wait, _retry_after(answer)))
        wait = min(wait * 1.5, _LONGEST_WAIT)


def link_of(answer: object) -> str:
    """Return the link in a 202's body, or the link itself; raises AnswerError without one."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, dict):
        link = cast("dict[str, object]", answer).get("link")
        if isinstance(link, str):
            return link
    message = "there is no link to follow in this answer: follow the body of a 202"
    raise AnswerError(message)


def _is_final(answer: Answer) -> bool:
    if answer.status == 202:
        return False
    if not isinstance(answer.body, dict):
        return True
    return cast("dict[str, object]", answer.body).get("done") is not False


def _tell(follow: Follow, answer: Answer) -> None:
    if follow.on_answer is not None and answer.status != 303:
        follow.on_answer(answer.body)


def _retry_after(answer: Answer | None) -> float:
    text = answer.headers.get("Retry-After", "") if answer is not None else ""
    return min(float(text), _LONGEST_RETRY_AFTER) if text.isascii() and text.isdigit() else 0.0
