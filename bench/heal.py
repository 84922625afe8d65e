"""Figures of healing: every fault of the demonstration, several rounds, on real services.

`python -m bench.heal --rounds 5` writes `docs/evidence/heal.md` and the raw values beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.results import Report, Table
from bench.startup import startup_table
from dreamnet.cli.demo.play import Result, plan, play
from dreamnet.cli.demo.scenes import SCENES, Scene
from dreamnet.cli.demo.stage import SHORT_BACKOFF, Stage, prepare, run_command, until_ready
from dreamnet.testing.loadprocess import LoadProcess
from dreamnet.testing.loadresult import LoadResult

EVIDENCE = Path("docs/evidence/heal.md")
SECONDS_A_SCENE = 60.0
CALM_BETWEEN_ROUNDS_S = 3.0
# The same fault comes back every minute or so here: it must not count as flapping.
HEAL = f"{SHORT_BACKOFF}\nflap_limit = 1000"

MEASURES: dict[str, Callable[[Result], float | None]] = {
    "noticed": lambda one: one.noticed_ms,
    "out of traffic": lambda one: one.out_ms,
    "let out": lambda one: one.acted_ms,
    "healed": lambda one: one.healed_ms,
    "verified": lambda one: one.verified_ms,
    "slowest answer": lambda one: one.slowest_ms,
    "last loss after": lambda one: one.outage_ms if one.reasons else None,
    "requests": lambda one: one.requests,
    "lost idempotent": lambda one: one.lost_idempotent,
    "lost POST": lambda one: one.lost_other,
}
UNITS = {
    **dict.fromkeys(
        (
            "noticed",
            "out of traffic",
            "let out",
            "healed",
            "verified",
            "slowest answer",
            "last loss after",
        ),
        "ms",
    ),
    **dict.fromkeys(("requests", "lost idempotent", "lost POST"), ""),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the rounds and write the figures; 1 when a story did not end."""
    parser = argparse.ArgumentParser(prog="python -m bench.heal")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=EVIDENCE)
    parser.add_argument("--only", nargs="*", default=[], help="names of scenes")
    arguments = parser.parse_args(words)
    scenes = [one for one in SCENES if not arguments.only or one.name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="dreamnet-bench-") as folder:
        results, load = asyncio.run(_run(Path(folder), scenes, arguments.rounds))
    rows = [_row(scene, [one for one in results if one.name == scene.name]) for scene in scenes]
    report = Report(
        name="heal",
        tables=[
            Table("From the fault to its proof", rows, UNITS),
            startup_table(arguments.rounds),
        ],
        command=f"make bench ARGS='--rounds {arguments.rounds}'",
        notes=_notes(load, results),
    )
    print(f"raw values: {report.write(arguments.out)}")
    unproven = [one.name for one in results if one.verified_ms is None]
    print(f"stories without an end: {unproven or 'none'}")
    return 1 if unproven else 0


async def _run(
    folder: Path, scenes: Sequence[Scene], rounds: int
) -> tuple[list[Result], LoadResult]:
    stage = await asyncio.to_thread(prepare, folder, print, HEAL)
    await run_command(stage, "up", "--detach")
    try:
        await until_ready(stage)
        return await _rounds(stage, scenes, rounds)
    finally:
        await run_command(stage, "down")


async def _rounds(
    stage: Stage, scenes: Sequence[Scene], rounds: int
) -> tuple[list[Result], LoadResult]:
    results: list[Result] = []
    async with LoadProcess(plan(stage, rounds * len(scenes) * SECONDS_A_SCENE)) as load:
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}")
            for scene in scenes:
                result = await play(stage, scene, load, lambda _line: None)
                print(f"  {_words(result)}")
                results.append(result)
            await asyncio.sleep(CALM_BETWEEN_ROUNDS_S)
        return results, await load.stop()


def _words(result: Result) -> str:
    times = {"noticed": result.noticed_ms, "healed": result.healed_ms}
    words = " ".join(f"{what} {ms:.0f} ms" for what, ms in times.items() if ms is not None)
    lost = f"{result.lost_idempotent}+{result.lost_other} lost {result.reasons or ''}"
    return f"{result.name:13} {words}, {lost}"


def _row(scene: Scene, results: Sequence[Result]) -> dict[str, str | list[float] | None]:
    row: dict[str, str | list[float] | None] = {"fault": scene.title}
    for name, measure in MEASURES.items():
        values = [value for one in results if (value := measure(one)) is not None]
        row[name] = values or None
    return row


def _notes(load: LoadResult, results: Sequence[Result]) -> list[str]:
    lost = sum(one.lost_idempotent for one in results)
    notes = [
        (
            f"{load.count} requests went through the gateway in all, {load.failed} failed, "
            f"{lost} of the failed in a scene were idempotent."
        )
    ]
    if load.doubts:
        notes.append(f"The load generator itself was disturbed: {'; '.join(load.doubts)}.")
    return notes


if __name__ == "__main__":
    sys.exit(main())
