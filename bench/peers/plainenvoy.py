"""Envoy as its quick start shows it, and as somebody would set it with care."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_IDEMPOTENT = "GET|HEAD|OPTIONS|PUT|DELETE"


@dataclass(frozen=True)
class Gateway:
    """Where Envoy listens and which ports serve each service.

    Plain: static endpoints, round robin, nothing else. With `care`: every endpoint is asked for
    its readiness each second, idempotent requests get two more tries elsewhere and a limit of 1 s
    for each try, the others one where the service never saw them, and outliers are ejected.
    """

    port: int
    admin_port: int
    services: Mapping[str, Sequence[int]]
    ready: Mapping[str, str]
    care: bool

    def write(self, path: Path) -> None:
        """Write the boot file."""
        path.write_text(json.dumps(self.boot()))

    def boot(self) -> dict[str, Any]:
        """Return the boot file's content."""
        return {
            "admin": {"address": _address(self.admin_port)},
            "static_resources": {
                "listeners": [self._listener()],
                "clusters": [self._cluster(name) for name in self.services],
            },
        }

    def _listener(self) -> dict[str, Any]:
        kind = f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
        router = f"{_EXTENSIONS}.filters.http.router.v3.Router"
        manager = {
            "@type": kind,
            "stat_prefix": "ingress",
            "route_config": {"virtual_hosts": [self._host(name) for name in self.services]},
            "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
        }
        filters = [{"name": "http", "typed_config": manager}]
        address = _address(self.port)
        return {"name": "main", "address": address, "filter_chains": [{"filters": filters}]}

    def _host(self, service: str) -> dict[str, Any]:
        routes = _careful_routes(service) if self.care else [_route(service)]
        domains = [f"{service}.localhost", f"{service}.localhost:*"]
        return {"name": service, "domains": domains, "routes": routes}

    def _cluster(self, service: str) -> dict[str, Any]:
        endpoints = [{"endpoint": {"address": _address(port)}} for port in self.services[service]]
        plain = {
            "name": service,
            "type": "STATIC",
            "lb_policy": "ROUND_ROBIN",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": service,
                "endpoints": [{"lb_endpoints": endpoints}],
            },
        }
        return plain | _careful_cluster(self.ready[service]) if self.care else plain


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _route(service: str, **more: Any) -> dict[str, Any]:
    return {"match": {"prefix": "/"}, "route": {"cluster": service, **more}}


def _careful_routes(service: str) -> list[dict[str, Any]]:
    method = {"name": ":method", "string_match": {"safe_regex": {"regex": _IDEMPOTENT}}}
    previous = "retry.host.previous_hosts.v3.PreviousHostsPredicate"
    elsewhere = {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {"@type": f"{_EXTENSIONS}.{previous}"},
    }
    common = {"retry_host_predicate": [elsewhere], "host_selection_retry_max_attempts": 3}
    again = {"retry_on": "5xx,reset", "num_retries": 2, "per_try_timeout": "1s"}
    unseen = {"retry_on": "connect-failure,refused-stream", "num_retries": 2}
    idempotent = _route(service, retry_policy=again | common)
    idempotent["match"]["headers"] = [method]
    return [idempotent, _route(service, retry_policy=unseen | common)]


def _careful_cluster(ready: str) -> dict[str, Any]:
    check = {
        "interval": "1s",
        "no_traffic_interval": "1s",  # the default of a minute would hold after each start
        "timeout": "0.5s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": ready},
    }
    ejection = {"interval": "1s", "base_ejection_time": "5s"}
    return {"health_checks": [check], "outlier_detection": ejection}
