"""`dreamnet scale`: how many instances a service has."""

from __future__ import annotations

import click

from dreamnet.cli.here import Here, with_here
from dreamnet.cli.waiting import conclude


@click.command(epilog="Example: dreamnet scale shop 3")
@click.argument("service")
@click.argument("count", type=click.IntRange(min=0))
@click.option("--no-wait", is_flag=True, help="Return once the work is accepted.")
@with_here
def scale(here: Here, service: str, count: int, no_wait: bool) -> None:
    """Set how many instances a service has.

    The number outlives restarts of the node; `replicas` in dreamnet.toml sets its bounds. Exit
    codes: 0 scaled (or accepted); 1 it failed or was refused; 3 no node answers.
    """
    node = here.node()
    wanted = {"action": "scale", "service": service, "replicas": count}
    conclude(here, node, node.agent("deploykeeper", wanted), wait=not no_wait)
