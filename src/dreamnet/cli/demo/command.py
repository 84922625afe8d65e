"""`dreamnet demo`: everything DreamNet does, shown on real services in a few minutes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from dreamnet.cli.demo.play import Result, plan, play
from dreamnet.cli.demo.scenes import SCENES, Scene
from dreamnet.cli.demo.stage import Stage, prepare, run_command, until_ready
from dreamnet.client import ClientError
from dreamnet.kernel.errors import DreamNetError
from dreamnet.testing.loadprocess import LoadFailed, LoadProcess
from dreamnet.testing.loadresult import LoadResult

LONGEST_LOAD_S = 600.0
FILE_WIDTH = 128


@click.command(epilog="Example: dreamnet demo --stay   (then: cd dreamnet-demo && dreamnet status)")
@click.option("--stay", is_flag=True, help="Leave the node running afterwards.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON on stdout.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("dreamnet-demo"),
    show_default=True,
    help="Where the demonstration lives.",
)
@click.option(
    "--only", multiple=True, type=click.Choice([scene.name for scene in SCENES]), help="Scenes."
)
def demo(*, stay: bool, as_json: bool, folder: Path, only: tuple[str, ...]) -> None:
    """Start a node, a gateway and two services, then do to them what happens in production."""
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    scenes = [scene for scene in SCENES if not only or scene.name in only]
    try:
        results, load = asyncio.run(_run(folder, scenes, console, stay=stay))
    except (DreamNetError, ClientError, LoadFailed) as error:
        click.echo(f"dreamnet demo: {error}", err=True)
        sys.exit(1)
    if as_json:
        figures = {"scenes": [one.to_json() for one in results], "load": load.to_json()}
        click.echo(json.dumps(figures))
    unproven = [one.name for one in results if one.verified_ms is None]
    sys.exit(1 if unproven else 0)


async def _run(
    folder: Path, scenes: list[Scene], console: Console, *, stay: bool
) -> tuple[list[Result], LoadResult]:
    stage = await asyncio.to_thread(prepare, folder, console.print)
    console.print(f"starting a node in {stage.folder}")
    await run_command(stage, "up", "--detach")
    try:
        took_s = await until_ready(stage)
        console.print(f"shop (2 instances) and httpbin (1) are served after {took_s:.1f} s more")
        results, load = await _scenes(stage, scenes, console)
    finally:
        if not stay:
            await run_command(stage, "down")
    console.print(_table(results))
    _close(stage, load, console, stay=stay)
    return results, load


async def _scenes(
    stage: Stage, scenes: list[Scene], console: Console
) -> tuple[list[Result], LoadResult]:
    results: list[Result] = []
    async with LoadProcess(plan(stage, LONGEST_LOAD_S)) as load:
        console.print(f"{load.plan.rate_per_s:.0f} requests/s go through {stage.gateway_url}")
        for scene in scenes:
            result = await play(stage, scene, load, console.print)
            results.append(result)
            console.print(_summary(result))
        return results, await load.stop()


def _summary(result: Result) -> str:
    times = {"noticed": result.noticed_ms, "proven": result.verified_ms}
    after = (f"{what} after {_ms(value)} ms" for what, value in times.items() if value is not None)
    lost = f"{result.lost_idempotent} idempotent, {result.lost_other} other"
    return f"{', '.join(after)}; requests lost: {lost}, of {result.requests}"


def _table(results: list[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="times in ms after the fault", title_justify="left")
    table.add_column("fault", no_wrap=True)
    table.add_column("dream", no_wrap=True)
    table.add_column("let out", no_wrap=True)
    for name in ("noticed", "out", "healed", "proven", "slowest", "requests", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in results:
        asked = ", asked" if one.escalated_ms is not None else ""
        table.add_row(
            one.title,
            one.symptom + asked,
            _remedies(one),
            *(_ms(value) for value in _times(one)),
            _ms(one.slowest_ms),
            str(one.requests),
            f"{one.lost_idempotent}" + (f" +{one.lost_other} POST" if one.lost_other else ""),
        )
    return table


def _remedies(result: Result) -> str:
    counted = Counter(result.remedies)
    words = (f"{many} x {remedy}" if many > 1 else remedy for remedy, many in counted.items())
    return ", ".join(words) or "wait"


def _times(one: Result) -> tuple[float | None, ...]:
    return one.noticed_ms, one.out_ms, one.healed_ms, one.verified_ms


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _close(stage: Stage, load: LoadResult, console: Console, *, stay: bool) -> None:
    console.print(
        f"{load.count} requests in all, {load.failed} failed. noticed: the fact was seen; "
        "out: the victim got no more traffic; healed: all that is wanted serves again; "
        "proven: good probes in a row closed the dream; lost: idempotent +POST (a POST in flight "
        "is never repeated, and none can be written while the database is locked)."
    )
    for doubt in load.doubts:
        console.print(f"the load itself was disturbed: {doubt}")
    if stay:
        console.print(f"the node runs on: cd {stage.folder} && dreamnet status")
