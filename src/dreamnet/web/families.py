"""The metrics that are read at the moment of asking: their names, words and labels."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily


@dataclass(frozen=True)
class Family:
    """One family; `kind` is Prometheus' type of it."""

    name: str
    words: str
    labels: tuple[str, ...] = ()
    kind: str = "gauge"

    def gauge(self, value: float | None = None) -> GaugeMetricFamily:
        """Return it for samples; with a value it has one without labels."""
        return GaugeMetricFamily(self.name, self.words, value, labels=self.labels or None)

    def counter(self) -> CounterMetricFamily:
        """Return it for samples of a counter."""
        return CounterMetricFamily(self.name, self.words, labels=self.labels)


_SLOT = ("service", "slot")
_WATCH = ("watch",)

DESIRED = Family("dreamnet_desired_instances", "Instances wanted.", ("service",))
HALTED = Family("dreamnet_halted", "1 while the kill switch is thrown.")
LIVE_DREAMS = Family("dreamnet_live_dreams", "Dreams that go on.")
MEMORY = Family("dreamnet_instance_resident_bytes", "Memory of running instances.", _SLOT)
CPU = Family(
    "dreamnet_instance_cpu_seconds", "CPU time of running instances.", _SLOT, kind="counter"
)
WATCH_UP = Family("dreamnet_watch_up", "1 while a watched target is well.", _WATCH)
WATCH_SECONDS = Family("dreamnet_watch_seconds", "Duration of the last look at it.", _WATCH)
WATCH_CERTIFICATE = Family(
    "dreamnet_watch_certificate_seconds", "Time until its certificate ends.", _WATCH
)
HEARTBEAT_AGE = Family("dreamnet_heartbeat_age_seconds", "Time since a heartbeat was delivered.")

FAMILIES = (
    DESIRED, HALTED, LIVE_DREAMS, MEMORY, CPU,
    WATCH_UP, WATCH_SECONDS, WATCH_CERTIFICATE, HEARTBEAT_AGE,
)  # fmt: skip
"""All of them; the reference is written from here."""
