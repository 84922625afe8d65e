"""`dreamnet up`: starts a node and keeps it alive, in the foreground or the background."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dreamnet.cli.failure import FAILED, WRONG, Failure
from dreamnet.cli.here import Here, note, with_here
from dreamnet.root import BUSY_CODE, WRONG_CONFIG_CODE, AlreadyRunning, Root, living_root

if TYPE_CHECKING:
    from dreamnet.cli.node import Node
    from dreamnet.cli.place import Place

_EPILOG = "Example: dreamnet up --detach   (then: dreamnet status, dreamnet down)"
_EXITS = {0: 0, WRONG_CONFIG_CODE: WRONG, BUSY_CODE: FAILED}


@click.command(epilog=_EPILOG)
@click.option("--detach", "-d", is_flag=True, help="Return once it is up; it runs on.")
@with_here
def up(here: Here, detach: bool) -> None:
    """Start a node and keep it alive.

    Stays in the foreground; Ctrl-C stops the node, the gateway and every service. A node that an
    earlier `up` left running is taken over. Exit codes: 0 stopped on purpose (or, detached, ready);
    1 failed, or DreamNet runs here already; 2 the configuration is wrong, nothing was started.
    """
    place = _checked(here)
    holder = living_root(place.data_dir)
    if holder is not None:
        raise _running(place, str(holder or "unknown"))
    if detach:
        _detach(here, place)
        return
    sys.exit(_watch(place))


def _checked(here: Here) -> Place:
    """Return the place; a file that cannot be read is complained of before anything is made."""
    from dreamnet.cli.place import find

    place = find(here.file)
    if place.doubt:
        from dreamnet.model.settings import load_settings

        load_settings(place.file)  # says it with line and mend
        raise Failure(place.doubt, str(place.file), "mend the file", WRONG)
    return place


def _running(place: Place, holder: str) -> Failure:
    mend = "see it with: dreamnet status; stop it with: dreamnet down"
    return Failure(f"DreamNet runs here already (pid {holder})", str(place.data_dir), mend)


def _watch(place: Place) -> int:
    try:
        code = Root(node_command(place.file), place.data_dir).run()
    except AlreadyRunning as error:
        raise _running(place, str(error)) from error
    except OSError as error:
        from dreamnet.cli.started import unusable

        raise unusable(place, error) from error
    return _EXITS.get(code, FAILED)


def node_command(file: Path) -> list[str]:
    """Return the command of the node; -P keeps modules of the user's folder from being ours."""
    return [sys.executable, "-P", "-m", "dreamnet.app", "--file", str(file)]


def _detach(here: Here, place: Place) -> None:
    from dreamnet.cli.started import start_root, wait_ready, wait_services
    from dreamnet.cli.waiting import leaving

    attempt = start_root(place)
    with leaving("the node goes on starting: see `dreamnet status`, or stop it: `dreamnet down`"):
        node = wait_ready(attempt)
        attempt.root.returncode = 0  # it outlives this command on purpose
        services = wait_services(node)
    _say(here, place, _whereabouts(node, place), services)


def _whereabouts(node: Node, place: Place) -> dict[str, Any]:
    status = node.get("/api/status")
    return {
        "ready": True,
        "url": node.url,
        "pid": status["node"]["pid"],
        "gateway": status["gateway"]["url"],
        "data_dir": str(place.data_dir),
        "log": str(place.up_log),
    }


def _say(here: Here, place: Place, found: dict[str, Any], services: list[dict[str, Any]]) -> None:
    if here.as_json:
        counts = [{key: one[key] for key in ("name", "ready", "desired")} for one in services]
        here.show_json({**found, "services": counts})
        return
    click.echo(f"DreamNet is up (pid {found['pid']})")
    click.echo(f"  API       {found['url']}")
    click.echo(f"  gateway   {found['gateway']}")
    click.echo(f"  data      {place.data_dir}")
    click.echo(f"  output    {place.up_log}")
    _say_late(services)
    note("next: dreamnet status; stop everything with: dreamnet down")


def _say_late(services: list[dict[str, Any]]) -> None:
    """Name the services that are not up, and why; that does not fail `up`."""
    from dreamnet.cli.output import clean
    from dreamnet.cli.started import is_up

    late = [one for one in services if not is_up(one)]
    for one in late:
        exits = [each["exit"] for each in one["instances"] if each["exit"]]
        why = clean(one.get("env_problem") or "; ".join(dict.fromkeys(exits)) or "not ready yet")
        click.echo(f"NOT UP      {one['name']} {one['ready']}/{one['desired']}: {why}")
    if late:
        note("see what is done about it: dreamnet dreams")
