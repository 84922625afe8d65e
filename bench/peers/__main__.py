"""Compare with what people use instead: `python -m bench.peers --rounds 20`.

A run that was stopped goes on where it was; `--fresh` begins anew, `--report` only writes.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from bench.peers.chart import chart
from bench.peers.journal import Notebook
from bench.peers.report import cost_table, short_table, whole_table
from bench.peers.rounds import RATE_PER_S, jobs, run, unmeasured
from bench.results import Report, markdown_table, write_section

EVIDENCE = Path("docs/evidence/heal.md")
WORK = Path(".dreamnet-bench")
MOST_SHOWN = 5


def main() -> int:
    """Run what is missing and write the figures; 1 if something is still missing."""
    parser = argparse.ArgumentParser("python -m bench.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--work", type=Path, default=WORK, help="where raw values are kept")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--fresh", action="store_true", help="forget earlier raw values")
    either.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, default=EVIDENCE, help="the page to write into")
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    if not arguments.report:
        _clear(work / "stages")
    if arguments.fresh:
        shutil.rmtree(work, ignore_errors=True)
    notebook = Notebook(work)
    if not arguments.report:
        try:
            asyncio.run(_run(work / "stages", arguments.rounds, notebook))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("stopped; the same command without --fresh goes on")
            return 130
    if not notebook.journal.outcomes or not notebook.costs:
        print(f"nothing was measured in {arguments.work} yet; run this without --report")
        return 1
    _report(notebook, arguments.rounds, arguments.out)
    missing = unmeasured(jobs(arguments.rounds), notebook.journal)
    print(f"not measured: {len(missing)} {missing[:MOST_SHOWN] or ''}")
    return 1 if missing else 0


def _report(notebook: Notebook, rounds: int, page: Path) -> None:
    outcomes, command = notebook.journal.outcomes, f"python -m bench.peers --rounds {rounds}"
    doubts = [f"The load was disturbed: {'; '.join(notebook.doubts)}."] if notebook.doubts else []
    reports = (
        Report("peers", [whole_table(outcomes)], command, notes=doubts),
        Report("cost", [cost_table(notebook.costs)], command),
    )
    write_section(page, "peers-short", markdown_table(short_table(outcomes)))
    for report in reports:
        print(f"raw values: {report.write(page)}")
    picture = page.with_name(f"{page.stem}-lost.svg")
    picture.write_text(chart(outcomes, RATE_PER_S))
    print(f"picture: {picture}")


async def _run(stages: Path, rounds: int, notebook: Notebook) -> None:
    task = asyncio.ensure_future(run(stages, rounds, notebook))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    finally:
        await asyncio.to_thread(_clear, stages)


def _clear(stages: Path) -> None:
    """End a node that a killed run left, then forget its folder."""
    settings = stages / "dreamnet" / "dreamnet.toml"
    if settings.exists():
        command = [sys.executable, "-m", "dreamnet", "down", "--file", str(settings)]
        subprocess.run(command, check=False, capture_output=True)
    shutil.rmtree(stages, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
