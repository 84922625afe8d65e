"""`dreamnet status`: the node, the gateway, every service and every instance in one look."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click

from dreamnet.app.remains import look
from dreamnet.cli.failure import ABSENT, Failure, tell
from dreamnet.cli.here import Here, note, with_here
from dreamnet.cli.node import find_node
from dreamnet.cli.output import clean, duration, instant, is_terminal, show_table, size
from dreamnet.cli.place import Place
from dreamnet.client.errors import ClientError

WATCH_EVERY_S = 1.0
_NOTHING_BYTES = 300_000
_HEADINGS = ("service", "slot", "state", "ready", "traffic", "pid", "port", "up", "memory", "note")
_AT_EASE = frozenset({"delivered", "unknown"})
_WATCHED = ("watched", "state", "took", "certificate", "last answer", "what")


@click.command(epilog="Example: dreamnet status --watch   (in a script: dreamnet status --json)")
@click.option("--watch", is_flag=True, help="Look again every second until Ctrl-C.")
@with_here
def status(here: Here, watch: bool) -> None:
    """Show the node, the gateway, every service and what is only watched.

    Exit codes: 0 the node is ready; 3 it is not, or none runs.
    """
    place = here.place()
    if watch:
        _watch(here, place)
    body = _look(place)
    _show(here, body)
    if body["node"]["halted"] and not here.as_json:
        note(halt_words(place))
    sys.exit(0 if body["node"]["ready"] else ABSENT)


def _look(place: Place) -> dict[str, Any]:
    """Return the status; Failure with exit code 3 when no node answers."""
    try:
        return find_node(place.data_dir, patience_s=0.0).get("/api/status")
    except Failure as failure:
        raise _with_more(place, failure) from failure
    except ClientError as error:
        raise _with_more(place, Failure(str(error), code=ABSENT)) from error


def _with_more(place: Place, failure: Failure) -> Failure:
    """Add what can be told without a node: what it left running, and a halt."""
    served = look(place.data_dir).served
    if served:
        named = ", ".join(f"{name} (pid {pid})" for name, pid in served.items())
        failure.more["served"] = served
        failure.what += f"; without it run {named}"
    if is_full(place.data_dir):
        failure.what += "; the disk is full"
        failure.mend = "free space on this disk: DreamNet goes on by itself"
    reason = halt_words(place)
    if reason:
        failure.more["halted"] = reason
        failure.what += f" ({reason})"
    return failure


def is_full(folder: Path) -> bool:
    """Return whether next to nothing can be written in a folder."""
    try:
        return shutil.disk_usage(folder).free < _NOTHING_BYTES
    except OSError:
        return False


def halt_words(place: Place) -> str:
    """Return who halted DreamNet here, when and why; empty when nobody did."""
    try:
        text = place.halt_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        return "halted"
    try:
        record: Any = json.loads(text)
        why = f": {record['reason']}" if record.get("reason") else ""
        who = str(record["by"]).removeprefix("user ")  # a number where it has no name
        return clean(f"halted by user {who}, {instant(record['at'])}{why}")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "halted"


def _watch(here: Here, place: Place) -> None:
    while True:
        if is_terminal() and not here.as_json:
            click.clear()
        try:
            _show(here, _look(place))
        except Failure as failure:
            tell(failure, as_json=here.as_json)
        sys.stdout.flush()
        time.sleep(WATCH_EVERY_S)


def _show(here: Here, body: dict[str, Any]) -> None:
    if here.as_json:
        here.show_json(body)
        return
    for line in _head(body):
        click.echo(line)
    rows = [row for service in body["services"] for row in _rows(service)]
    if rows:
        click.echo("")
        show_table(_HEADINGS, rows)
    if body.get("watches"):
        click.echo("")
        show_table(_WATCHED, [_watched(one) for one in body["watches"]])
    for service in body["services"]:
        if service.get("env_problem"):
            click.echo(f"{service['name']}: {clean(service['env_problem'])}")


def _head(body: dict[str, Any]) -> list[str]:
    node, gateway, dreams = body["node"], body["gateway"], body["dreams"]
    ready = "ready" if node["ready"] else "NOT READY: " + "; ".join(map(clean, node["why"]))
    up = duration(node["uptime_s"])
    state = "serving" if gateway["alive"] else "AWAY"
    lines = [
        f"node      {ready}  pid {node['pid']}, up {up}, {node['url']}",
        f"gateway   {state}  {gateway['url']}, {gateway['waiting']} requests wait",
        _dreams(dreams),
    ]
    if body.get("heartbeat"):
        lines.append(_heartbeat(body["heartbeat"]))
    waiting: list[dict[str, Any]] = body.get("waiting") or []
    for one in waiting:
        what = clean(f"{one['verb']} {one['target']} ({one['reason']})")
        lines.append(f"WAITS     {what}; yes: dreamnet reef approve {clean(one['id'])}")
    if node["halted"]:
        lines.append("HALTED    no action is let out; mend: dreamnet resume")
    return lines


def _heartbeat(one: dict[str, Any]) -> str:
    words = clean(one["state"] if one["state"] in _AT_EASE else one["state"].upper())
    why = f": {clean(one['output'])}" if one["output"] else ""
    last = "none" if one["age_s"] is None else f"{duration(one['age_s'])} ago"
    return f"heartbeat {words}{why}, last delivered: {last}"


def _watched(one: dict[str, Any]) -> list[object]:
    took, days = one["took_ms"], one["certificate_days"]
    return [
        one["name"],
        one["state"],
        "" if took is None else f"{took:.0f} ms",
        "" if days is None else f"{days} d" + (" EXPIRING" if one["certificate_expiring"] else ""),
        one["output"],
        one["what"],
    ]


def _dreams(dreams: dict[str, Any]) -> str:
    if dreams["live"] is None:
        return "dreams    not known while the store does not answer"
    return f"dreams    {dreams['live']} live, {dreams['escalated']} ask a person"


def _rows(service: dict[str, Any]) -> list[list[object]]:
    name = f"{service['name']} {service['ready']}/{service['desired']}"
    rows = [[name if not i else "", *_row(one)] for i, one in enumerate(service["instances"])]
    return rows or [[name, "", "none", "", "", "", "", "", "", ""]]


def _row(one: dict[str, Any]) -> list[object]:
    note = one["exit"] or ("withdrawn" if one["withdrawn"] else "")
    return [
        one["slot"],
        one["state"],
        _yes(one["ready"]),
        _yes(one["in_traffic"]),
        one["pid"],
        one["port"],
        duration(one["uptime_s"]),
        size(one["rss_bytes"]),
        note,
    ]


def _yes(value: object) -> str:
    """Return a claim in words; a verdict such as "well" is shown as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(value)
