"""`dreamnet scale`: how many instances a service has."""

from __future__ import annotations

import re

import click

from dreamnet.cli.here import Here, with_here
from dreamnet.cli.waiting import conclude

_NEGATIVE = re.compile(r"-[0-9]+")


class _Scale(click.Command):
    """The command; a number below 0 is told as such, not as an option that does not exist."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; UsageError for what is none."""
        for one in filter(_NEGATIVE.fullmatch, args):
            raise click.UsageError(f"COUNT must be 0 or more, not {one}", ctx)
        return super().parse_args(ctx, args)


@click.command(cls=_Scale, epilog="Example: dreamnet scale shop 3")
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
