"""Which instance gets traffic, and what policy does when none is ready."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.traffic.weave import Candidate, Traffic, Woven, weave
from dreamnet.model.instances import InstanceId
from dreamnet.model.routes import EndpointHealth, Waiting
from dreamnet.model.services import AllUnready, Route, ServiceName, ServiceSpec

SHOP = ServiceName("shop")


def spec(policy: AllUnready = AllUnready.KEEP, *, routed: bool = True) -> ServiceSpec:
    route = Route(host="shop.localhost") if routed else None
    return ServiceSpec(name=SHOP, folder="/", run="x", route=route, on_all_unready=policy)


def candidate(name: str, **changes: bool) -> Candidate:
    states = {"ready": True, "alive": True, "been_ready": True, "withdrawn": False} | changes
    return Candidate(id=InstanceId(name), host="127.0.0.1", port=1000 + int(name), **states)


def healthy(woven: Woven) -> set[int]:
    return {
        endpoint.port
        for backend in woven.table.backends
        for endpoint in backend.endpoints
        if endpoint.health is EndpointHealth.HEALTHY
    }


def listed(woven: Woven) -> set[int]:
    return {endpoint.port for backend in woven.table.backends for endpoint in backend.endpoints}


def test_only_ready_instances_get_traffic() -> None:
    woven = weave((Traffic(spec(), (candidate("1"), candidate("2", ready=False))),), {})
    assert healthy(woven) == {1001}
    assert listed(woven) == {1001, 1002}
    assert not woven.all_unready


@pytest.mark.parametrize("lost", [{"alive": False}, {"been_ready": False}, {"withdrawn": True}])
def test_what_is_dead_new_or_leaving_is_not_listed(lost: dict[str, bool]) -> None:
    woven = weave((Traffic(spec(), (candidate("1"), candidate("2", **lost))),), {})
    assert listed(woven) == {1001}


def unready_after_ready(policy: AllUnready) -> Woven:
    first = weave((Traffic(spec(policy), (candidate("1"), candidate("2", ready=False))),), {})
    both = (candidate("1", ready=False), candidate("2", ready=False))
    return weave((Traffic(spec(policy), both),), first.last_ready)


def test_keep_leaves_traffic_with_the_last_ready_set() -> None:
    woven = unready_after_ready(AllUnready.KEEP)
    assert healthy(woven) == {1001}
    assert woven.all_unready == {SHOP}


@pytest.mark.parametrize(
    ("policy", "waiting"), [(AllUnready.HOLD, Waiting.HOLD), (AllUnready.FAIL, Waiting.FAIL)]
)
def test_hold_and_fail_send_requests_to_the_room(policy: AllUnready, waiting: Waiting) -> None:
    woven = unready_after_ready(policy)
    assert healthy(woven) == set()
    assert woven.table.backends[0].waiting is waiting


def test_a_service_without_instances_holds_unless_its_healing_gave_up() -> None:
    assert weave((Traffic(spec()),), {}).table.backends[0].waiting is Waiting.HOLD
    gave_up = weave((Traffic(spec(), backing_off=True),), {})
    assert gave_up.table.backends[0].waiting is Waiting.FAIL


def test_a_service_without_a_route_is_not_in_the_table() -> None:
    assert weave((Traffic(spec(routed=False), (candidate("1"),)),), {}).table.backends == ()


STATES = st.builds(
    candidate,
    st.integers(1, 9).map(str),
    ready=st.booleans(),
    alive=st.booleans(),
    been_ready=st.booleans(),
    withdrawn=st.booleans(),
)


@given(st.lists(st.lists(STATES, max_size=6, unique_by=lambda one: one.id), max_size=6))
def test_no_dead_or_leaving_instance_ever_gets_traffic(history: list[list[Candidate]]) -> None:
    last: dict[ServiceName, frozenset[InstanceId]] = {}
    for candidates in history:
        woven = weave((Traffic(spec(), tuple(candidates)),), last)
        last = dict(woven.last_ready)
        good = {one.port for one in candidates if one.alive and not one.withdrawn}
        assert healthy(woven) <= good
        ready = {one.port for one in candidates if one.ready and one.been_ready} & good
        assert not ready or healthy(woven) == ready
