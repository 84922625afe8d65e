"""Quotes of what a service said: one short line without secrets and control characters."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote as percent_quote
from urllib.parse import quote_plus, unquote

MASK = "***"
QUOTE_CHARACTERS = 200
_SHORTEST_SECRET = 6
_SHORTEST_PART = 4  # a shorter piece of a secret at a cut edge says nothing
_URL_PASSWORD = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/@:\s]*:([^@\s]+)@")
_DSN_PASSWORD = re.compile(r"(?i)\b(?:password|passwd|pwd|token|secret)\s*=\s*([^\s;&]+)")


@dataclass(frozen=True)
class Quote:
    """A service's own words; `keep` names the end that matters, `cut` says that more was said."""

    text: str = ""
    keep: Literal["head", "tail"] = "head"
    cut: bool = False


def secret_texts(values: Iterable[str]) -> tuple[str, ...]:
    """Return every text to hide for `values`.

    Beside a value itself: its lines, a password inside an URL or a connection string, and the
    forms it takes in JSON, HTML and URLs. Shorter than 6 characters is never hidden.
    """
    texts: set[str] = set()
    for value in values:
        for part in _parts(value):
            texts.update(_forms(part))
    return tuple(sorted(text for text in texts if len(text) >= _SHORTEST_SECRET))


def _parts(value: str) -> Iterable[str]:
    yield value
    yield value.strip()
    yield from (line.strip() for line in value.splitlines())
    for form in (_URL_PASSWORD, _DSN_PASSWORD):
        for found in form.findall(value):
            yield found
            yield unquote(found)


def _forms(part: str) -> Iterable[str]:
    yield part
    yield percent_quote(part, safe="")
    yield quote_plus(part)
    yield html.escape(part)
    for ascii_only in (True, False):
        yield json.dumps(part, ensure_ascii=ascii_only)[1:-1]


def in_one_line(quote: Quote, secrets: tuple[str, ...]) -> str:
    """Return at most 200 printable characters of `quote`, with every secret masked."""
    text = _masked(quote.text, sorted(_spans(quote, secrets)))
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return line[:QUOTE_CHARACTERS] if quote.keep == "head" else line[-QUOTE_CHARACTERS:]


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    told, shown_to = "", 0
    for start, end in spans:
        if start >= shown_to and end > start:  # else it is empty or overlaps the one before
            told += text[shown_to:start] + MASK
        shown_to = max(shown_to, end)
    return told + text[shown_to:]


def _spans(quote: Quote, secrets: tuple[str, ...]) -> Iterable[tuple[int, int]]:
    """Yield where secrets stand, found in the whole text first: masking one must hide no other."""
    text = quote.text
    for secret in secrets:
        at = text.find(secret)
        while at >= 0:
            yield at, at + len(secret)
            at = text.find(secret, at + 1)
        if quote.cut and quote.keep == "head":
            yield len(text) - _torn_at_end(text, secret), len(text)
        elif quote.cut:
            yield 0, _torn_at_end(text[::-1], secret[::-1])


def _torn_at_end(text: str, secret: str) -> int:
    """Return how many characters at the end of `text` begin `secret`; fewer than 4 are none."""
    beginning = secret[:_SHORTEST_PART]
    at = text.find(beginning, max(0, len(text) - len(secret) + 1))
    while at >= 0 and not secret.startswith(text[at:]):
        at = text.find(beginning, at + 1)
    return len(text) - at if at >= 0 else 0
