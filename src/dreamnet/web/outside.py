"""What API and metrics show of the world outside: targets that are only watched."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily

from dreamnet.agents.outside import WatchSeen
from dreamnet.domain.vitals import Verdict
from dreamnet.model.watches import certificate_notice, shown
from dreamnet.web.handles import Handles
from dreamnet.web.views import View

_NAME = ["watch"]


def watch_view(handles: Handles, seen: WatchSeen) -> View:
    """Return a watched target; nothing of it holds credentials."""
    now, answer, ends = handles.world.clock.now(), seen.answer, seen.expiry.ends
    expires = certificate_notice(seen.watch) is not None
    return {
        "name": seen.watch.name,
        "what": shown(seen.watch),
        "state": seen.vitals.verdict,
        "since": seen.vitals.since,
        "output": answer.output if answer else "",
        "failure": answer.failure if answer else None,
        "asked": answer.at if answer else None,
        "took_ms": answer.took_ms if answer else None,
        "certificate_ends": ends,
        "certificate_days": None if ends is None else (ends - now).days,
        "certificate_expiring": expires and seen.expiry.is_expiring(now),
    }


def watch_families(handles: Handles) -> list[GaugeMetricFamily]:
    """Return the gauges of what is watched; what is not known yet has no sample."""
    up = GaugeMetricFamily("dreamnet_watch_up", "1 while a watched target is well.", labels=_NAME)
    took = GaugeMetricFamily(
        "dreamnet_watch_seconds", "Duration of the last look at it.", labels=_NAME
    )
    left = GaugeMetricFamily(
        "dreamnet_watch_certificate_seconds", "Time until its certificate ends.", labels=_NAME
    )
    now = handles.world.clock.now()
    for name, seen in handles.world.outside.watches.items():
        if seen.answer is None:
            continue
        if seen.vitals.verdict is not Verdict.UNKNOWN:
            up.add_metric([name], float(seen.vitals.verdict is Verdict.WELL))
        took.add_metric([name], seen.answer.took_ms / 1000)
        if seen.expiry.ends is not None:
            left.add_metric([name], (seen.expiry.ends - now).total_seconds())
    return [up, took, left]
