"""Which request goes to which service, how often it is tried and how long it may take."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby

from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.listeners import LARGEST_BODY_BYTES, ROUTES
from dreamnet.drivers.gateway.resources import Resource, extension, seconds
from dreamnet.model.routes import Backend

SERVICE_HEADER = "x-dreamnet-service"
RETRY_HEADER = "x-hold-retry"
ROOM_HEADER = "x-dreamnet-room"

_IDEMPOTENT = "GET|HEAD|OPTIONS|PUT|DELETE"
_RETRY_IDEMPOTENT = "connect-failure,refused-stream,reset,5xx,retriable-headers"
_RETRY_OTHERS = "connect-failure,refused-stream,reset-before-request,retriable-headers"
# Two tries at instances, two in the waiting room (it may hold either), one more at an instance:
# an instance's own error is tried three times in all, and the last answer is an instance's.
_TRIES_PER_PRIORITY = 2
_RETRIES = 4
_MOST_HEDGES = 100


def route_configuration(backends: Iterable[Backend], layout: Layout) -> Resource:
    """Return the whole routing, most specific host first, longest path first."""
    ordered = sorted(backends, key=_order)
    hosts = {host: list(group) for host, group in groupby(ordered, lambda one: one.route.host)}
    hosts.setdefault("*", [])
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "ignore_port_in_host_matching": True,
        "max_direct_response_body_size_bytes": 4096,
        "virtual_hosts": [_virtual_host(host, group, layout) for host, group in hosts.items()],
    }


def _order(backend: Backend) -> tuple[str, int, str, str]:
    return backend.route.host, -len(backend.route.path), backend.route.path, backend.service


def _virtual_host(host: str, backends: list[Backend], layout: Layout) -> Resource:
    routes = [route for backend in backends for route in _routes(backend, layout)]
    return {
        "name": host,
        "domains": [host],
        "routes": [*routes, {"match": {"prefix": "/"}, "direct_response": {"status": 404}}],
        "request_body_buffer_limit": LARGEST_BODY_BYTES,
    }


def _routes(backend: Backend, layout: Layout) -> list[Resource]:
    path = _path_match(backend.route.path)
    methods = {"name": ":method", "string_match": {"safe_regex": {"regex": _IDEMPOTENT}}}
    common = _common(backend)
    return [
        {"match": path | {"headers": [methods]}, "route": _idempotent(backend, layout), **common},
        {"match": path, "route": _target(backend, _retry(_RETRY_OTHERS)), **common},
    ]


def _path_match(path: str) -> Resource:
    trimmed = path.rstrip("/")
    return {"path_separated_prefix": trimmed} if trimmed else {"prefix": "/"}


def _common(backend: Backend) -> Resource:
    """Return what tells the room whose request it holds; a client's own header is overwritten."""
    header = {"key": SERVICE_HEADER, "value": backend.service}
    return {
        "request_headers_to_add": [
            {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
        "response_headers_to_remove": [RETRY_HEADER, ROOM_HEADER, "x-envoy-ratelimited"],
    }


def _idempotent(backend: Backend, layout: Layout) -> Resource:
    retry = _retry(_RETRY_IDEMPOTENT)
    try_timeout = backend.route.try_timeout
    if not try_timeout:
        return _target(backend, retry)
    retry["per_try_timeout"] = seconds(try_timeout)
    retry["num_retries"] = _RETRIES + _hedges(layout.hold, try_timeout)
    hedging = {"hedge_policy": {"hedge_on_per_try_timeout": True}}
    return _target(backend, retry) | hedging


def _hedges(hold: timedelta, try_timeout: timedelta) -> int:
    """Return how many tries pass while a request waits in the room: none may be missing then."""
    return min(_MOST_HEDGES, math.ceil(hold / try_timeout))


def _target(backend: Backend, retry: Resource) -> Resource:
    return {
        "cluster": backend.service,
        "timeout": seconds(backend.route.timeout),
        "retry_policy": retry,
    }


def _retry(on: str) -> Resource:
    return {
        "retry_on": on,
        "num_retries": _RETRIES,
        "retriable_headers": [{"name": RETRY_HEADER, "string_match": {"exact": "1"}}],
        "host_selection_retry_max_attempts": "3",
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "retry_priority": extension(
            "envoy.retry_priorities.previous_priorities",
            "retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=_TRIES_PER_PRIORITY,
        ),
        "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
    }
