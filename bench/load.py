"""Send an open-loop load from the command line: `python -m bench.load --url ... --rate ...`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from dreamnet.testing.latency import Latency
from dreamnet.testing.load import Kind, LoadResult, Plan
from dreamnet.testing.loadprocess import LoadFailed, LoadProcess

EPILOG = """example:
  python -m bench.load --url http://127.0.0.1:8080/products --host shop.localhost \\
      --rate 200 --seconds 10

exit codes: 0 all well, 1 requests failed, 2 wrong arguments, 3 the figures are not valid"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser("bench.load", None, __doc__, EPILOG, formatter_class=formatter)
    made.add_argument("--url", required=True, help="address with path; dial 127.0.0.1")
    made.add_argument("--host", default="", help="Host header, such as shop.localhost")
    made.add_argument("--rate", type=float, required=True, help="requests per second")
    made.add_argument("--seconds", type=float, required=True, help="how long to send")
    made.add_argument("--method", default="GET")
    made.add_argument("--body", default="", help="sent as application/json")
    made.add_argument("--poisson", action="store_true", help="random gaps instead of even ones")
    made.add_argument("--timeout", type=float, default=10.0, help="seconds for one request")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    return made


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that the options describe; ValueError if it cannot run."""
    scheme, separator, rest = options.url.partition("://")
    if not separator:
        raise ValueError(f"--url {options.url!r} needs a scheme, such as http://127.0.0.1:8080/")
    address, _, path = rest.partition("/")
    kind = Kind(
        name=f"{options.method} /{path}",
        path=f"/{path}",
        method=options.method,
        host=options.host,
        body=options.body,
        headers={"Content-Type": "application/json"} if options.body else {},
    )
    return Plan(
        base_url=f"{scheme}://{address}",
        rate_per_s=options.rate,
        kinds=[kind],
        seed=options.seed,
        limit_s=options.seconds,
        arrivals="poisson" if options.poisson else "constant",
        timeout_s=options.timeout,
    )


async def run(plan: Plan) -> LoadResult:
    """Run a plan to its end in a process of its own."""
    async with LoadProcess(plan) as load:
        return await load.wait()


def describe(result: LoadResult) -> str:
    """The result for a reader at a terminal."""
    reasons = ", ".join(f"{count} x {reason}" for reason, count in result.reasons.items())
    latency, lag = result.latency, result.lag
    rates = f"{result.achieved_rate_per_s:.1f}/s (planned {result.planned_rate_per_s:.1f}/s)"
    lines = [
        f"{result.count} requests in {result.duration_s:.1f} s, {rates}",
        f"{result.ok} ok, {result.failed} failed" + (f": {reasons}" if reasons else ""),
        f"latency ms  {_quantiles(latency)}",
        f"own lag ms  {_quantiles(lag)}",
    ]
    return "\n".join([*lines, *(f"NOT VALID: {doubt}" for doubt in result.doubts)])


def _quantiles(latency: Latency) -> str:
    values = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.max_ms)
    names = ("p50", "p90", "p99", "max")
    return "  ".join(f"{name} {value:.1f}" for name, value in zip(names, values, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)
    try:
        result = asyncio.run(run(plan_of(options)))
    except (ValueError, LoadFailed) as error:
        print(f"bench.load: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(json.dumps(result.to_json(), indent=2) if options.json else describe(result))
    if not result.valid:
        return 3
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
