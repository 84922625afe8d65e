"""What API and metrics show of the world outside: watched targets, and our heartbeat."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily

from dreamnet.agents.outside import HeartbeatSeen, WatchSeen
from dreamnet.domain.vitals import Verdict
from dreamnet.model.watches import certificate_notice, shown
from dreamnet.web.families import HEARTBEAT_AGE, WATCH_CERTIFICATE, WATCH_SECONDS, WATCH_UP
from dreamnet.web.handles import Handles
from dreamnet.web.views import View


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


def heartbeat_view(handles: Handles) -> View | None:
    """Return how our heartbeat fares, None without one; nothing of its address."""
    seen = handles.world.outside.heartbeat
    if seen is None:
        return None
    return {
        "state": seen.last.outcome if seen.last else "unknown",
        "output": seen.last.output if seen.last else "",
        "delivered": seen.delivered,
        "age_s": _age_s(handles, seen),
        "interval_s": seen.interval.total_seconds(),
    }


def _age_s(handles: Handles, seen: HeartbeatSeen) -> float | None:
    if seen.delivered is None:
        return None
    return max(0.0, (handles.world.clock.now() - seen.delivered).total_seconds())


def outside_families(handles: Handles) -> list[GaugeMetricFamily]:
    """Return the gauges of the world outside; what is not known yet has no sample."""
    return [*_watch_families(handles), *_heartbeat_families(handles)]


def _heartbeat_families(handles: Handles) -> list[GaugeMetricFamily]:
    seen = handles.world.outside.heartbeat
    age_s = None if seen is None else _age_s(handles, seen)
    if age_s is None:
        return []
    return [HEARTBEAT_AGE.gauge(age_s)]


def _watch_families(handles: Handles) -> list[GaugeMetricFamily]:
    up, took, left = WATCH_UP.gauge(), WATCH_SECONDS.gauge(), WATCH_CERTIFICATE.gauge()
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
