"""`dreamnet down`: stops everything, or the node only, and says what is left."""

from __future__ import annotations

import os
import signal
import tomllib
from typing import TYPE_CHECKING, Any

import click

from dreamnet.app.remains import Remains, look
from dreamnet.cli.failure import FAILED, Failure
from dreamnet.cli.here import Here, note, with_here
from dreamnet.cli.place import Place
from dreamnet.cli.waiting import Progress, leaving, until
from dreamnet.root import living_root

if TYPE_CHECKING:
    from pathlib import Path

STOP_LIMIT_S = 60.0
STOP_MARGIN_S = 40.0  # the node itself takes up to 30 s more than the longest grace
_BEGIN_LIMIT_S = 10.0


@click.command(epilog="Example: dreamnet down --node-only   (services and traffic go on)")
@click.option("--node-only", is_flag=True, help="Leave the gateway and every service running.")
@with_here
def down(here: Here, node_only: bool) -> None:
    """Stop the node, the gateway and every service.

    Requests under way end first. What a killed node left running is stopped too. Exit codes: 0
    stopped, or nothing ran; 1 something is left after 60 s (a longer `grace` is waited for).
    """
    place = here.place()
    before = look(place.data_dir)
    if not before.is_anything or (node_only and not before.is_supervised):
        _say(here, before, before, "nothing runs here" if not node_only else "no node runs here")
        return
    with leaving("the stop goes on without you: see `dreamnet status`"):
        left = _stop(place, before, node_only=node_only)
    if _is_over(left, node_only=node_only):
        _say(here, before, left, _words(left, node_only=node_only))
        return
    raise Failure(
        f"after {stop_limit_s(place.file):g} s this is left: {left}",
        str(place.data_dir),
        "wait and run `dreamnet down` again; as a last resort: kill -9 those pids",
        FAILED,
        {"left": left.to_json()},
    )


def stop_limit_s(file: Path) -> float:
    """Return how many seconds a stop may take: more than the node allows its slowest service."""
    graces: list[object] = []
    try:
        services: dict[str, Any] = tomllib.loads(file.read_text("utf-8")).get("services", {})
        graces = [one["grace"] for one in services.values() if "grace" in one]
        longest_s = max(map(_seconds, graces), default=0.0)
    except (OSError, ValueError, TypeError, AttributeError):  # not our business now: see `up`
        return STOP_LIMIT_S
    return max(STOP_LIMIT_S, longest_s + STOP_MARGIN_S)


def _seconds(grace: object) -> float:
    from dreamnet.kernel.duration import parse_duration

    return parse_duration(grace).total_seconds()


def _stop(place: Place, before: Remains, *, node_only: bool) -> Remains:
    """Ask whoever is in charge to stop; a new root cleans up after one that was killed."""
    if before.is_supervised:
        _send(place, before, signal.SIGUSR1 if node_only else signal.SIGTERM)
        _wait(place, node_only=node_only)
    left = look(place.data_dir)
    if left.served and not left.is_supervised and not node_only:
        note(f"still running without a node: {left}; starting one that stops it")
        _sweep(place)
        left = look(place.data_dir)
    return left


def _send(place: Place, before: Remains, number: signal.Signals) -> None:
    pid = before.root or before.node
    if not pid:
        raise Failure(
            "another process holds this data directory and does not say who it is",
            str(place.data_dir / "root.lock"),
            "try again in a moment",
        )
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        mend = "run this as the user who started DreamNet"
        raise Failure(f"pid {pid} belongs to another user", str(place.data_dir), mend) from error


def _wait(place: Place, *, node_only: bool) -> None:
    progress = Progress()

    def is_over() -> bool:
        left = look(place.data_dir)
        # what only a new node can stop is not waited for
        if _is_over(left, node_only=node_only) or not left.is_supervised:
            return True
        progress.tell(f"stopping: {left}")
        return False

    until(is_over, stop_limit_s(place.file))


def _sweep(place: Place) -> None:
    """Start a root, which takes over what is left, and tell it to stop everything."""
    from dreamnet.cli.started import start_root

    root = start_root(place).root
    until(
        lambda: living_root(place.data_dir) == root.pid or root.poll() is not None, _BEGIN_LIMIT_S
    )
    if root.poll() is None:
        root.send_signal(signal.SIGTERM)
        until(lambda: root.poll() is not None, stop_limit_s(place.file))
    if root.poll() is None:
        root.returncode = 0  # it goes on without us


def _is_over(left: Remains, *, node_only: bool) -> bool:
    return not (left.is_supervised if node_only else left.is_anything)


def _words(left: Remains, *, node_only: bool) -> str:
    if not node_only:
        return "stopped"
    return f"the node is stopped; {left or 'nothing'} goes on" if left.served else "stopped"


def _say(here: Here, before: Remains, left: Remains, words: str) -> None:
    if here.as_json:
        here.show_json({"before": before.to_json(), "left": left.to_json(), "words": words})
    else:
        click.echo(words)
