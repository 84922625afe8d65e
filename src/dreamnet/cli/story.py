"""One dream, told: its story, what was tried, who said what to whom, and the bundle."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

import click

from dreamnet.cli.output import clean, instant

_LOG_LINES = 10


def tell_story(dream: dict[str, Any]) -> None:
    """Write all of a dream on stdout."""
    click.echo(clean(f"{dream['id']}  {dream['target']}  {dream['symptom']}: {dream['words']}"))
    click.echo(f"  phase    {dream['phase']}")
    click.echo(f"  noticed  {instant(dream['noticed'])}")
    click.echo(f"  updated  {instant(dream['updated'])}")
    if dream.get("report"):
        click.echo(f"  report   {clean(dream['report'])}")
    _section("story", map(event_words, records(dream, "story")))
    _section("tries", map(_try, records(dream, "tries")))
    _section("actions", map(_action, records(dream, "actions")))
    _section("messages", map(_message, records(dream, "messages")))
    _section("bundle", _bundle(dream.get("bundle") or {}))


def _section(title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        click.echo(f"\n{title}")
    for line in found:
        click.echo(f"  {clean(line)}")


def records(dream: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of the dream's; empty where it has none."""
    return cast("list[dict[str, Any]]", dream.get(name) or [])


def event_words(one: dict[str, Any]) -> str:
    """Return one line of the story."""
    return f"{instant(one['at'])}  {one['phase']:<10}  {one['words']}"


def _try(one: dict[str, Any]) -> str:
    helped = {True: "it helped", False: "it did not help"}.get(one["effective"], "not proven yet")
    return f"{instant(one['at'])}  {one['remedy']}  {one['action']}  {helped}"


def _action(one: dict[str, Any]) -> str:
    what = f"{one['verb']} {one['target']}"
    return f"{one['id']}  {what}  by {one['performer']}  {one['phase']}  {one['detail'] or ''}"


def _message(one: dict[str, Any]) -> str:
    error = f"  ({one['error']})" if one["error"] else ""
    words = f"{one['from']} -> {one['to']}: {one['message']}"
    return f"{instant(one['at'])}  {words}  {one['state']}{error}"


def _bundle(bundle: dict[str, Any]) -> Iterable[str]:
    for one in cast("list[dict[str, Any]]", bundle.get("instances") or []):
        ended = f", {one['exit']}" if one.get("exit") else ""
        yield f"{one.get('instance', '?')}: {one.get('state', '?')}{ended}"
        for aspect in ("live", "ready"):
            yield f"  {aspect}: {json.dumps(one.get(aspect), ensure_ascii=False)}"
        for line in cast("list[str]", one.get("log") or [])[-_LOG_LINES:]:
            yield f"  log: {line}"
