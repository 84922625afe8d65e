"""One cluster per service: how its instances are balanced, checked and protected."""

from __future__ import annotations

from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.resources import Resource, extension, from_file, seconds
from dreamnet.model.routes import Backend
from dreamnet.model.services import Probe, ProbeKind

_CHECK_PERIOD = "0.5s"
_MOST_CONCURRENT = 8192  # requests that wait in the room count here too


def cluster(backend: Backend, layout: Layout) -> Resource:
    """Return the cluster of a service; its endpoints come from a file of their own."""
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": backend.service,
        "type": "EDS",
        "connect_timeout": "0.5s",
        "lb_policy": "LEAST_REQUEST",
        "eds_cluster_config": {
            "service_name": backend.service,
            "eds_config": from_file(layout.resource_file(f"eds_{backend.service}")),
        },
        "ignore_health_on_host_removal": True,
        "common_lb_config": {
            "healthy_panic_threshold": {"value": 0},
            "update_merge_window": "0s",
        },
        "circuit_breakers": {"thresholds": [_threshold()]},
        "typed_extension_protocol_options": _protocol(),
        "health_checks": [_health_check(backend.live)],
        "outlier_detection": _outlier_detection(),
    }


def _threshold() -> Resource:
    """Return the limits; retries have no budget, as every released request is one."""
    return {
        "priority": "DEFAULT",
        "max_connections": _MOST_CONCURRENT,
        "max_pending_requests": _MOST_CONCURRENT,
        "max_requests": _MOST_CONCURRENT,
        "max_retries": _MOST_CONCURRENT,
    }


def _protocol() -> Resource:
    """Return HTTP/1.1, and that the room's answers are no errors of an endpoint."""
    options = extension(
        "",
        "upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": "50s"},
        explicit_http_config={"http_protocol_options": {}},
        outlier_detection={"error_matcher": _error_matcher()},
    )
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options["typed_config"]}


def _error_matcher() -> Resource:
    failed = {"name": ":status", "string_match": {"prefix": "5"}}
    from_room = {"name": "x-dreamnet-room", "present_match": True}
    return {
        "and_match": {
            "rules": [
                {"http_response_headers_match": {"headers": [failed]}},
                {"not_match": {"http_response_headers_match": {"headers": [from_room]}}},
            ]
        }
    }


def _health_check(live: Probe) -> Resource:
    """Return Envoy's own check: it asks liveness only; readiness comes with the endpoints."""
    if live.kind is ProbeKind.HTTP:
        question: Resource = {
            "http_health_check": {
                "path": live.path,
                "host": "localhost",
                "expected_statuses": [{"start": 200, "end": 400}],
            }
        }
    else:
        question = {"tcp_health_check": {}}
    return question | {
        "timeout": seconds(live.timeout),
        "interval": _CHECK_PERIOD,
        "no_traffic_interval": _CHECK_PERIOD,
        "initial_jitter": "0.01s",
        "interval_jitter": "0.02s",
        "unhealthy_threshold": live.failures,
        "healthy_threshold": 1,
    }


def _outlier_detection() -> Resource:
    return {
        "consecutive_5xx": 5,
        "consecutive_gateway_failure": 3,
        "enforcing_consecutive_gateway_failure": 100,
        "interval": "0.5s",
        "base_ejection_time": "2s",
        "max_ejection_time": "30s",
        # The room counts as a host: with it, one of two instances may go (1/3), the only one
        # never (1/2).
        "max_ejection_percent": 40,
        "success_rate_minimum_hosts": 3,
        "success_rate_request_volume": 20,
        "failure_percentage_threshold": 50,
        "failure_percentage_request_volume": 20,
        "failure_percentage_minimum_hosts": 2,
        "enforcing_failure_percentage": 100,
    }
