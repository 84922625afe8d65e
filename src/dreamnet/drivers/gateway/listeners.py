"""The listener that users reach, and Envoy's own boot file."""

from __future__ import annotations

from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.resources import Resource, extension, from_file, socket_address

ROUTES = "main"
STATISTICS = "ingress"
LARGEST_BODY_BYTES = 1024 * 1024  # a request body up to this size can be sent a second time

_PROBLEM = {"type": "about:blank", "status": "%RESPONSE_CODE%"}


def boot(layout: Layout) -> Resource:
    """Return the boot file: admin on loopback, everything else from watched files."""
    return {
        "node": {"id": "dreamnet", "cluster": "dreamnet"},
        "admin": {"address": socket_address(layout.admin)},
        "dynamic_resources": {
            "lds_config": from_file(layout.resource_file("lds")),
            "cds_config": from_file(layout.resource_file("cds")),
        },
        "layered_runtime": {
            "layers": [
                {"name": "s", "static_layer": {"re2": {"max_program_size": {"error_level": 1000}}}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        "overload_manager": {
            "resource_monitors": [
                extension(
                    "envoy.resource_monitors.global_downstream_max_connections",
                    "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections="20000",
                )
            ]
        },
    }


def listener_name(layout: Layout) -> str:
    """Return the name of the listener at this address."""
    return f"{STATISTICS}-{layout.listen}"


def listener(layout: Layout) -> Resource:
    """Return the listener; its name holds the address, as Envoy never moves a listener."""
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": listener_name(layout),
        "address": socket_address(layout.listen),
        "per_connection_buffer_limit_bytes": LARGEST_BODY_BYTES,
        "filter_chains": [{"filters": [_connection_manager(layout)]}],
    }


def _connection_manager(layout: Layout) -> Resource:
    routes = {
        "route_config_name": ROUTES,
        "config_source": from_file(layout.resource_file("rds")),
    }
    return extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=STATISTICS,
        codec_type="AUTO",
        rds=routes,
        http_filters=[_router()],
        upgrade_configs=[{"upgrade_type": "websocket"}],
        local_reply_config=_local_replies(),
        **_edge_settings(),
    )


def _router() -> Resource:
    return extension(
        "envoy.filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True
    )


def _edge_settings() -> dict[str, object]:
    """Return what a proxy at the edge needs: no client may speak for the gateway."""
    return {
        "drain_timeout": "5s",
        "delayed_close_timeout": "1s",
        "stream_idle_timeout": "300s",
        "request_headers_timeout": "10s",
        "use_remote_address": True,
        # No client is "internal" and may steer tries and timeouts; an empty list would mean the
        # private networks and loopback.
        "internal_address_config": {
            "cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]
        },
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "server_name": "dreamnet",
        "common_http_protocol_options": {
            "idle_timeout": "300s",
            "headers_with_underscores_action": "DROP_HEADER",
        },
    }


def _local_replies() -> Resource:
    """Return how Envoy's own answers look: problem+json that names nothing inside."""
    return {
        "mappers": [
            _reply(404, "Not Found", "no service is routed at this address"),
            _reply(503, "Service Unavailable", "the service did not answer"),
            _reply(504, "Gateway Timeout", "the service did not answer in time"),
        ],
        "body_format": {
            "json_format": _PROBLEM | {"title": "The request was not served"},
            "content_type": "application/problem+json",
        },
    }


def _reply(code: int, title: str, detail: str) -> Resource:
    comparison = {"op": "EQ", "value": {"default_value": code, "runtime_key": f"reply.{code}"}}
    return {
        "filter": {"status_code_filter": {"comparison": comparison}},
        "body_format_override": {
            "json_format": _PROBLEM | {"title": title, "detail": detail},
            "content_type": "application/problem+json",
        },
    }
