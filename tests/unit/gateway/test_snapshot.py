"""A route table becomes whole, consistent, hashed files."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.listeners import boot
from dreamnet.drivers.gateway.room_state import room_state
from dreamnet.drivers.gateway.snapshot import ResourceFile, snapshot
from dreamnet.model.address import Address
from dreamnet.model.routes import Backend, Endpoint, EndpointHealth, RouteTable, Waiting
from dreamnet.model.services import Probe, ProbeKind, Route, ServiceName

LAYOUT = Layout(
    folder=Path("/data/gateway"),
    listen=Address(host="127.0.0.1", port=8080),
    admin=Address(host="127.0.0.1", port=9901),
    room=Address(host="127.0.0.1", port=9902),
    hold=timedelta(seconds=30),
)


def backend(service: str = "shop", *ports: int, **change) -> Backend:
    base = {
        "service": ServiceName(service),
        "route": Route(host="shop.localhost"),
        "live": Probe(),
        "endpoints": tuple(Endpoint(host="127.0.0.1", port=port) for port in ports),
    }
    return Backend(**(base | change))


def table(*backends: Backend) -> RouteTable:
    return RouteTable(backends=backends)


def routes(*backends: Backend) -> list[dict]:
    resources = snapshot(table(*backends), LAYOUT).files["rds"].resources
    return resources["main"]["virtual_hosts"]


def test_the_order_of_backends_and_endpoints_says_nothing():
    one = backend("a", 1, 2)
    two = backend("b", 3, route=Route(host="b.localhost"))
    turned = one.model_copy(update={"endpoints": one.endpoints[::-1]})
    assert snapshot(table(one, two), LAYOUT) == snapshot(table(two, turned), LAYOUT)


def test_only_what_changed_has_a_new_version():
    before = snapshot(table(backend("a", 1), backend("b", 2)), LAYOUT)
    after = snapshot(table(backend("a", 1), backend("b", 3)), LAYOUT)
    changed = [name for name, file in after.files.items() if file != before.files[name]]
    assert changed == ["eds_b"]
    assert after.version != before.version


def test_longer_paths_come_first_and_the_last_route_is_404():
    hosts = routes(
        backend("root"),
        backend("deep", route=Route(host="shop.localhost", path="/api/deep")),
        backend("api", route=Route(host="shop.localhost", path="/api/")),
    )
    shop = next(host for host in hosts if host["name"] == "shop.localhost")
    found = [
        route["match"].get("path_separated_prefix", route["match"].get("prefix"))
        for route in shop["routes"]
    ]
    assert found == ["/api/deep", "/api/deep", "/api", "/api", "/", "/", "/"]
    assert shop["routes"][-1]["direct_response"] == {"status": 404}
    assert [host["name"] for host in hosts] == ["shop.localhost", "*"]


def test_only_idempotent_requests_are_hedged():
    hedged = Route(host="shop.localhost", try_timeout=timedelta(milliseconds=500))
    idempotent, others, _ = routes(backend(route=hedged))[0]["routes"]
    assert idempotent["route"]["hedge_policy"] == {"hedge_on_per_try_timeout": True}
    assert idempotent["route"]["retry_policy"]["num_retries"] == 4 + 60
    assert "hedge_policy" not in others["route"]
    assert "per_try_timeout" not in others["route"]["retry_policy"]
    assert "5xx" not in others["route"]["retry_policy"]["retry_on"]


def test_no_timeout_is_no_timeout():
    endless = Route(host="shop.localhost", timeout=timedelta(0))
    assert routes(backend(route=endless))[0]["routes"][0]["route"]["timeout"] == "0.000s"
    state = json.loads(room_state(table(backend(route=endless)), frozenset(), LAYOUT.hold))
    assert state["services"]["shop"]["hold_s"] == 30


@pytest.mark.parametrize(
    ("live", "question"),
    [
        (Probe(kind=ProbeKind.HTTP, path="/live"), "http_health_check"),
        (Probe(), "tcp_health_check"),
        (Probe(kind=ProbeKind.GRPC), "tcp_health_check"),
        (Probe(kind=ProbeKind.COMMAND, command="true"), "tcp_health_check"),
    ],
)
def test_envoy_asks_liveness(live: Probe, question: str):
    cluster = snapshot(table(backend(live=live)), LAYOUT).files["cds"].resources["shop"]
    assert question in cluster["health_checks"][0]


def test_readiness_reaches_envoy_and_the_room_is_second():
    unready = Endpoint(host="127.0.0.1", port=2, health=EndpointHealth.UNHEALTHY, weight=7)
    made = backend(endpoints=(unready, Endpoint(host="127.0.0.1", port=1)))
    load = snapshot(table(made), LAYOUT).files["eds_shop"].resources["shop"]
    first, second = load["endpoints"]
    assert [one["health_status"] for one in first["lb_endpoints"]] == ["HEALTHY", "UNHEALTHY"]
    assert first["lb_endpoints"][1]["load_balancing_weight"] == 7
    assert second["priority"] == 1
    assert "9902" in json.dumps(second)


def test_the_union_of_two_files_prefers_the_new():
    old = ResourceFile.of("cds", [{"name": "a", "v": 1}, {"name": "b", "v": 1}])
    new = ResourceFile.of("cds", [{"name": "b", "v": 2}])
    assert [one["v"] for one in new.joined(old).resources.values()] == [1, 2]
    assert not ResourceFile("cds", "", "broken").is_readable


def test_everything_but_users_is_on_loopback():
    assert boot(LAYOUT)["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


def test_the_room_is_ready_only_with_an_endpoint_that_passed():
    made = table(backend("shop", 1, 2))
    for passed, state in [(frozenset(), "hold"), ({("shop", "127.0.0.1:2")}, "ready")]:
        entry = json.loads(room_state(made, passed, LAYOUT.hold))["services"]["shop"]
        assert entry["state"] == state
    assert entry["endpoints"] == [["127.0.0.1", 2]]


@given(st.sampled_from(Waiting), st.sampled_from(EndpointHealth), st.booleans())
def test_the_policy_counts_only_without_a_wanted_endpoint(waiting, health, passed):
    one = Endpoint(host="127.0.0.1", port=1, health=health)
    made = table(backend(endpoints=(one,), waiting=waiting))
    known = {("shop", one.address)} if passed else frozenset()
    state = json.loads(room_state(made, known, LAYOUT.hold))["services"]["shop"]["state"]
    if health is EndpointHealth.UNHEALTHY:
        assert state == waiting
    else:
        assert state == ("ready" if passed else "hold")
