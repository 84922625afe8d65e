"""The node's own metrics, in a registry of its own, for Prometheus to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
MOST_VALUES = 64
_OWN_PARTS = ("dreamnet", "gateway", "room", "node")
_LAG_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_PROBE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_STORE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)

_Family = Counter | Gauge | Histogram
_AnyFamily = TypeVar("_AnyFamily", Counter, Gauge, Histogram)


class Description(NamedTuple):
    """What a metric is: its name, Prometheus' type of it, words, and labels."""

    name: str
    kind: str
    words: str
    labels: tuple[str, ...]


class _Registry:
    """Makes metric families whose labels stay bounded."""

    def __init__(self) -> None:
        self.collectors = CollectorRegistry()
        self._services: frozenset[str] = frozenset(_OWN_PARTS)
        self._words: dict[str, set[str]] = {}
        self._families: list[tuple[_Family, tuple[str, ...]]] = []

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        family = Counter(f"dreamnet_{name}", text, labels, registry=self.collectors)
        self._families.append((family, labels))
        return family

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        family = Gauge(f"dreamnet_{name}", text, labels, registry=self.collectors)
        self._families.append((family, labels))
        return family

    def histogram(
        self, name: str, text: str, *labels: str, buckets: tuple[float, ...]
    ) -> Histogram:
        family = Histogram(
            f"dreamnet_{name}", text, labels, registry=self.collectors, buckets=buckets
        )
        self._families.append((family, labels))
        return family

    def described(self) -> list[Description]:
        return [
            Description(metric.name, metric.type, metric.documentation, labels)
            for family, labels in self._families
            for metric in family.describe()
        ]

    def know(self, services: Iterable[str]) -> None:
        before, self._services = self._services, frozenset((*services, *_OWN_PARTS))
        for gone in before - self._services:
            for family, labels in self._families:
                if "service" in labels:
                    family.remove_by_labels({"service": gone})

    def at(self, family: _AnyFamily, **labels: str) -> _AnyFamily:
        return family.labels(*(self._bounded(label, value) for label, value in labels.items()))

    def _bounded(self, label: str, value: str) -> str:
        if label == "service":
            return value if value in self._services else OTHER
        known = self._words.setdefault(label, set())
        if value not in known and len(known) >= MOST_VALUES:
            return OTHER
        known.add(value)
        return value


class Metrics:
    """Everything the node counts.

    The label `service` has only the names told to `know` and DreamNet's own parts, every other
    label at most 64 values; the rest is counted as `other`, so that no caller can make the number
    of series grow without end. Durations are in seconds. Use from one thread.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # a switch of the whole library; halves each counter's series
        made = self._made = _Registry()
        ProcessCollector(namespace="dreamnet", registry=made.collectors)
        self._loop_lag = made.histogram(
            "loop_lag_seconds", "How late the event loop ran a timer.", buckets=_LAG_BUCKETS
        )
        self._transactions = made.histogram(
            "store_transaction_seconds", "Duration of transactions.", buckets=_STORE_BUCKETS
        )
        self._agents_families(made)
        self._senses_families(made)

    def _agents_families(self, made: _Registry) -> None:
        case = ("service", "symptom")
        self._opened = made.counter("dreams_opened", "Dreams (incidents) opened.", *case)
        self._resolved = made.counter("dreams_resolved", "Dreams resolved.", *case)
        self._escalated = made.counter("dreams_escalated", "Dreams handed to people.", *case)
        self._actions = made.counter(
            "actions", "Actions by their end.", "office", "verb", "outcome"
        )
        self._messages = made.gauge("messages", "Messages between agents, now.", "state")
        self._restarts = made.counter("restarts", "Instances restarted.", "service")

    def _senses_families(self, made: _Registry) -> None:
        asked = ("service", "aspect")
        self._probes = made.counter("probes", "Probe answers.", *asked, "result")
        self._probe_times = made.histogram(
            "probe_seconds", "Time until an answer or the limit.", *asked, buckets=_PROBE_BUCKETS
        )
        self._probe_lateness = made.histogram(
            "probe_late_seconds", "How much later than planned a probe began.", buckets=_LAG_BUCKETS
        )
        self._instances = made.gauge("instances", "Instances now.", "service", "state")
        self._ready = made.gauge("ready_instances", "Instances that get traffic now.", "service")
        self._requests = made.counter(
            "gateway_requests", "Requests sent to instances, retries included.", "service"
        )
        self._errors = made.counter("gateway_errors", "Of these, the ones that failed.", "service")

    def know(self, services: Iterable[str]) -> None:
        """Set which services exist; the series of those that are gone are dropped."""
        self._made.know(services)

    def described(self) -> list[Description]:
        """Return what each metric is; those of the process itself are Prometheus' own."""
        return self._made.described()

    def loop_lagged(self, seconds: float) -> None:
        """Record how late a timer of the event loop ran."""
        self._loop_lag.observe(seconds)

    def transaction_took(self, seconds: float) -> None:
        """Record one transaction of the store."""
        self._transactions.observe(seconds)

    def dream_opened(self, service: str, symptom: str) -> None:
        """Count a dream that was opened."""
        self._made.at(self._opened, service=service, symptom=symptom).inc()

    def dream_resolved(self, service: str, symptom: str) -> None:
        """Count a dream that was resolved."""
        self._made.at(self._resolved, service=service, symptom=symptom).inc()

    def dream_escalated(self, service: str, symptom: str) -> None:
        """Count a dream that was handed to people."""
        self._made.at(self._escalated, service=service, symptom=symptom).inc()

    def action_ended(self, office: str, verb: str, outcome: str) -> None:
        """Count an action with its outcome (refused, denied and observed are such)."""
        self._made.at(self._actions, office=office, verb=verb, outcome=outcome).inc()

    def messages(self, by_state: Mapping[str, int]) -> None:
        """Set how many messages are in each delivery state; states left out vanish."""
        self._messages.clear()
        for state, count in by_state.items():
            self._made.at(self._messages, state=state).inc(count)

    def restarted(self, service: str) -> None:
        """Count a restart of one instance."""
        self._made.at(self._restarts, service=service).inc()

    def probed(
        self, service: str, aspect: str, *, good: bool, seconds: float, late_s: float = 0.0
    ) -> None:
        """Count one answer to a probe, which began `late_s` later than planned."""
        result = "good" if good else "bad"
        self._made.at(self._probes, service=service, aspect=aspect, result=result).inc()
        self._made.at(self._probe_times, service=service, aspect=aspect).observe(seconds)
        self._probe_lateness.observe(late_s)

    def instances(self, service: str, by_state: Mapping[str, int], *, ready: int) -> None:
        """Set how many instances are in each state and how many of them get traffic.

        A state once named keeps its series: name it again with 0 when it is empty.
        """
        for state, count in by_state.items():
            self._made.at(self._instances, service=service, state=state).set(count)
        self._made.at(self._ready, service=service).set(ready)

    def answered(self, service: str, *, requests: int, errors: int) -> None:
        """Add what the gateway saw over a window; negative numbers (its restart) count as 0."""
        self._made.at(self._requests, service=service).inc(max(0, requests))
        self._made.at(self._errors, service=service).inc(max(0, errors))

    def render(self) -> bytes:
        """Return every series in Prometheus' text format; serve it as `CONTENT_TYPE`."""
        return generate_latest(self._made.collectors)
