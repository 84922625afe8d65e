"""The metrics that Prometheus reads."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dreamnet.kernel.metrics import MOST_VALUES, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((f"dreamnet_{name}", tuple(sorted(labels.items()))))


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.know(["shop", "blog"])
    return made


def tell_everything(metrics: Metrics, service: str, word: str) -> None:
    metrics.loop_lagged(0.002)
    metrics.transaction_took(0.004)
    metrics.dream_opened(service, word)
    metrics.dream_resolved(service, word)
    metrics.dream_escalated(service, word)
    metrics.action_ended(word, word, word)
    metrics.messages({word: 3})
    metrics.restarted(service)
    metrics.probed(service, "live", good=True, seconds=0.003)
    metrics.instances(service, {word: 2}, ready=1)
    metrics.answered(service, requests=10, errors=1)


def test_everything_told_is_rendered_with_help_and_prefix(metrics: Metrics) -> None:
    tell_everything(metrics, "shop", "word")
    families = list(text_string_to_metric_families(metrics.render().decode()))
    assert all(family.name.startswith("dreamnet_") for family in families)
    assert all(family.documentation for family in families)
    assert value(metrics, "dreams_opened_total", service="shop", symptom="word") == 1
    assert value(metrics, "dreams_resolved_total", service="shop", symptom="word") == 1
    assert value(metrics, "dreams_escalated_total", service="shop", symptom="word") == 1
    assert value(metrics, "actions_total", office="word", verb="word", outcome="word") == 1
    assert value(metrics, "messages", state="word") == 3
    assert value(metrics, "restarts_total", service="shop") == 1
    assert value(metrics, "probes_total", service="shop", aspect="live", result="good") == 1
    assert value(metrics, "probe_seconds_count", service="shop", aspect="live") == 1
    assert value(metrics, "instances", service="shop", state="word") == 2
    assert value(metrics, "ready_instances", service="shop") == 1
    assert value(metrics, "gateway_requests_total", service="shop") == 10
    assert value(metrics, "gateway_errors_total", service="shop") == 1
    assert value(metrics, "loop_lag_seconds_sum") == pytest.approx(0.002)
    assert value(metrics, "store_transaction_seconds_count") == 1


def test_the_node_shows_its_own_memory_and_processor_time(metrics: Metrics) -> None:
    assert (value(metrics, "process_resident_memory_bytes") or 0) > 1_000_000
    assert (value(metrics, "process_cpu_seconds_total") or 0) > 0


def test_unknown_services_and_too_many_words_become_other(metrics: Metrics) -> None:
    for number in range(MOST_VALUES + 500):
        tell_everything(metrics, f"stranger-{number}", f"word-{number}")
    shown = samples(metrics)
    services = {dict(labels).get("service") for _, labels in shown}
    assert services == {None, "other"}
    for name in ("symptom", "office", "verb", "outcome", "state"):
        words = {dict(labels)[name] for _, labels in shown if name in dict(labels)}
        assert len(words) <= MOST_VALUES + 1
    assert value(metrics, "restarts_total", service="other") == MOST_VALUES + 500
    assert len(shown) < 1000


def test_the_series_of_a_service_that_is_gone_are_dropped(metrics: Metrics) -> None:
    tell_everything(metrics, "shop", "word")
    tell_everything(metrics, "blog", "word")
    metrics.know(["blog"])
    services = {dict(labels).get("service") for _, labels in samples(metrics)}
    assert services == {None, "blog"}


def test_parts_of_dreamnet_are_known_from_the_start() -> None:
    metrics = Metrics()
    metrics.restarted("gateway")
    assert value(metrics, "restarts_total", service="gateway") == 1


def test_message_states_that_emptied_vanish(metrics: Metrics) -> None:
    metrics.messages({"pending": 2, "delivered": 1})
    metrics.messages({"delivered": 4})
    assert value(metrics, "messages", state="pending") is None
    assert value(metrics, "messages", state="delivered") == 4


def test_counters_that_restarted_elsewhere_never_go_back(metrics: Metrics) -> None:
    metrics.answered("shop", requests=5, errors=0)
    metrics.answered("shop", requests=-3, errors=-1)
    assert value(metrics, "gateway_requests_total", service="shop") == 5


def test_strange_words_are_escaped(metrics: Metrics) -> None:
    metrics.dream_opened("shop", 'a "b"\n\\c')
    assert value(metrics, "dreams_opened_total", service="shop", symptom='a "b"\n\\c') == 1


def test_two_nodes_in_one_process_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.restarted("node")
    assert value(other, "restarts_total", service="node") is None


def test_the_import_starts_no_server_and_no_thread() -> None:
    code = (
        "import threading, dreamnet.kernel.metrics as m; m.Metrics();"
        "print(threading.active_count())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "1"
