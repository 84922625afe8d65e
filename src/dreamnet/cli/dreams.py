"""`dreamnet dreams`: what went wrong, what was done, and how it ended."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import click

from dreamnet.cli.here import Here, note, with_here
from dreamnet.cli.node import Node
from dreamnet.cli.output import clean, instant, show_table
from dreamnet.cli.story import event_words, records, tell_story
from dreamnet.cli.waiting import leaving
from dreamnet.client.errors import ApiProblem, NodeUnreachable

_LOOK_S = 0.5
_HEADINGS = ("id", "target", "symptom", "phase", "opened", "tries", "last")


class Abbreviated(click.Group):
    """A group whose first word may be left out: `dreams --live` is `dreams show --live`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what was meant."""
        return super().parse_args(ctx, self.spelled_out(args))

    def spelled_out(self, words: list[str]) -> list[str]:
        """Put the word `show` where no other command is named."""
        named = {*self.commands, "-h", "--help"}
        return words if words and words[0] in named else ["show", *words]


@click.group(
    cls=Abbreviated,
    epilog="Example: dreamnet dreams --live   (one story: dreamnet dreams ID)",
)
def dreams() -> None:
    """List what went wrong, tell one dream's story, or what would have been done.

    Without a command: show.
    """


@dreams.command(epilog="Example: dreamnet dreams show --live   (the word show may be left out)")
@click.argument("dream", required=False)
@click.option("--live", is_flag=True, help="Only those that are not over.")
@click.option("--follow", "-f", is_flag=True, help="Go on with every change, until Ctrl-C.")
@click.option(
    "--limit", "-n", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most shown."
)
@with_here
def show(here: Here, dream: str | None, live: bool, follow: bool, limit: int) -> None:
    """List what went wrong, or tell one dream's story.

    With --json the list is {"dreams": [{..., "phase": ...}]}; with --follow one changed dream (of
    one dream: one line of its story) per line; that ends when the dream is resolved.
    Exit codes: 0 listed; 1 there is no such dream; 3 no node answers.
    """
    if follow:
        with leaving("no more is shown; the dreams go on"):
            _follow(here, dream, live=live)
        return
    if dream is not None:
        whole = _whole(here.node(), dream)
        here.show_json(whole) if here.as_json else tell_story(whole)
        return
    body = here.node().get("/api/dreams", live=True if live else None, limit=limit)
    if here.as_json:
        here.show_json(body)
        return
    if not body["dreams"]:
        click.echo("no dreams")
        _warn(here.node())
        return
    _list(body["dreams"])


@dreams.command(epilog="Example: dreamnet dreams would --since 24h")
@click.option(
    "--since", default="7d", show_default=True, help="How far back, such as 30m, 12h or 7d."
)
@with_here
def would(here: Here, since: str) -> None:
    """Tell what would have been done by offices in mode "observe", and how it ended without it.

    The record is an estimate: what the same remedy did before, when it was let out.
    With --json: {"would": [{..., "ending": ...}], "summary": ...}; an ending is needless (well
    without any action), by-another (a person or another agent acted), trusted-later (DreamNet was
    let), unwanted, open, or unknown.
    """
    body = here.node().get("/api/dreams/would", since=since)
    if here.as_json:
        here.show_json(body)
        return
    if body["would"]:
        rows = [
            [instant(one["at"]), one["target"], one["symptom"], one["verb"],
             one["record"]["words"], one["words"]]
            for one in body["would"]
        ]  # fmt: skip
        show_table(("when", "target", "symptom", "would", "record", "how it ended without"), rows)
        click.echo("")
    click.echo(clean(body["summary"]))


def _warn(node: Node) -> None:
    """Say why the node is not ready: what hinders it may have kept dreams from being noted."""
    status = node.get("/api/status")["node"]
    if not status["ready"]:
        note("the node is NOT READY: " + "; ".join(map(clean, status["why"])))


def _whole(node: Node, dream: str) -> dict[str, Any]:
    """Return all of a dream; Failure in the words of this command when there is none."""
    try:
        return node.get(f"/api/dreams/{quote(dream, safe='')}")
    except ApiProblem as problem:
        if problem.status == 404:
            problem.extras["mend"] = "see which there are: dreamnet dreams"
        raise


def _list(found: list[dict[str, Any]]) -> None:
    show_table(_HEADINGS, [[*_cells(one), one["tries"], one["last"]] for one in found])


def _cells(dream: dict[str, Any]) -> list[object]:
    named = [dream["id"], dream["target"], dream["symptom"], dream["phase"]]
    return [*named, instant(dream["opened"])]


def _follow(here: Here, dream: str | None, *, live: bool) -> None:
    """Show what is new, look by look; the node may restart meanwhile."""
    shown: dict[str, str] = {}
    node = here.node()
    while True:
        try:
            is_over = _follow_one(here, node, dream, shown) if dream else False
            if not dream:
                _follow_all(here, node, shown, live=live)
        except (NodeUnreachable, ApiProblem) as error:
            if isinstance(error, ApiProblem) and error.status < 500:
                raise
            note("the node is away; waiting for it")
            time.sleep(_LOOK_S)
            node, is_over = here.node(), False
        if is_over:
            return
        time.sleep(_LOOK_S)


def _follow_all(here: Here, node: Node, shown: dict[str, str], *, live: bool) -> None:
    """Show every dream that changed since it was shown."""
    for one in reversed(node.get("/api/dreams", limit=100)["dreams"]):
        known = shown.get(one["id"])
        is_wanted = known is not None or one["live"] or not live
        if is_wanted and known != one["updated"]:
            shown[one["id"]] = one["updated"]
            words = clean(one["last"] or one["words"])
            line = f"{instant(one['updated'])}  {one['target']}  {one['phase']}: {words}"
            here.show_json(one) if here.as_json else click.echo(line)


def _follow_one(here: Here, node: Node, dream: str, shown: dict[str, str]) -> bool:
    """Show the story's new lines; true once the dream is resolved."""
    whole = _whole(node, dream)
    for one in records(whole, "story"):
        if one["at"] + one["words"] not in shown:
            shown[one["at"] + one["words"]] = one["at"]
            here.show_json(one) if here.as_json else click.echo(clean(event_words(one)))
    return not whole["live"]
