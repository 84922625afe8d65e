"""`dreamnet restart`: a service slot by slot, one slot, or the node itself."""

from __future__ import annotations

from pathlib import Path

import click

from dreamnet.cli.failure import Failure
from dreamnet.cli.here import Here, split_target, with_here
from dreamnet.cli.node import find_node
from dreamnet.cli.waiting import conclude, until
from dreamnet.client.errors import ClientError
from dreamnet.client.transport import Call
from dreamnet.root import living_node

BACK_LIMIT_S = 60.0


@click.command(epilog="Example: dreamnet restart shop --slot 2")
@click.argument("service")
@click.option("--slot", type=click.IntRange(min=1), help="Restart this slot only.")
@click.option("--no-wait", is_flag=True, help="Return once the work is accepted.")
@with_here
def restart(here: Here, service: str, slot: int | None, no_wait: bool) -> None:
    """Restart a service, slot by slot, or one slot.

    `shop/2` means `--slot 2`; `dreamnet restart dreamnet` restarts the node itself: services and
    traffic go on. Exit codes: 0 restarted (or accepted); 1 it failed or was refused; 3 no node
    answers.
    """
    service, slot = split_target(service, slot)
    node = here.node()
    is_own = service == "dreamnet"
    wanted: dict[str, object] = {"action": "restart"}
    if not is_own:
        wanted["service"] = service
    if slot is not None:
        wanted["slot"] = slot
    data_dir = here.place().data_dir
    before = living_node(data_dir)
    answer = node.agent("deploykeeper", wanted)
    conclude(here, node, answer, wait=not no_wait)
    if is_own and not no_wait and not until(lambda: _is_back(data_dir, before), BACK_LIMIT_S):
        mend = "see: dreamnet status, dreamnet logs dreamnet"
        raise Failure("the new node is not ready yet", str(data_dir), mend)


def _is_back(data_dir: Path, before: int | None) -> bool:
    """Tell whether another node than `before` is ready."""
    if living_node(data_dir) in (None, before):
        return False
    try:
        return find_node(data_dir, patience_s=0.0).send(Call("GET", "/health/ready")).status == 200
    except (ClientError, Failure):
        return False
