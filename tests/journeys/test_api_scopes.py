"""Whatever is sent to a real node without a token, or with one that may only read, does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from place import Place, place

from dreamnet.model.tokens import Scope
from dreamnet.web.scopes import SCOPES

EXAMPLES = 8
# A stream has no end to wait for; tests/unit/web reads them.
STREAMS = r"^/api/(events|logs)"
# Refusals of the door; what asks on and on is told to wait.
REFUSED = {401, 403, 429}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("scopes") / "app") as made:
        made.up()
        yield made


def effects(here: Place) -> dict[str, Any]:
    """Return everything that a request could change."""
    rows = here.ask("/api/ledger?limit=1000")["rows"]
    services = here.ask("/api/services")["services"]
    return {
        "decided": [row["seq"] for row in rows if row["kind"].startswith(("action-", "token-"))],
        "messages": here.ask("/api/messages?limit=1000")["messages"],
        "actions": here.ask("/api/actions?limit=1000")["actions"],
        "tokens": here.ask("/api/tokens")["tokens"],
        "services": [(one["name"], one["desired"], pids(one)) for one in services],
    }


def pids(service: dict[str, Any]) -> list[int]:
    return sorted(one["pid"] for one in service["instances"])


def settled(here: Place) -> bool:
    """Return whether the starts that `up` asked for are over."""
    actions = here.ask("/api/actions?limit=1000")["actions"]
    return bool(actions) and all(one["done"] for one in actions)


def operations(here: Place) -> list[schemathesis.APIOperation]:
    url = f"http://127.0.0.1:{here.api}/openapi.json"
    schema = schemathesis.openapi.from_url(url, headers=here.bearer()).exclude(path_regex=STREAMS)
    return [found.ok() for found in schema.get_all_operations()]


def statuses(operation: schemathesis.APIOperation, headers: dict[str, str]) -> set[int]:
    """Return what generated requests, right and wrong ones, were answered with."""
    seen: set[int] = set()
    takes = [*operation.query, *operation.headers, *operation.body]
    modes = list(schemathesis.GenerationMode) if takes else [schemathesis.GenerationMode.POSITIVE]
    for mode in modes:

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        def send(case: schemathesis.Case) -> None:
            case.headers = {
                name: value
                for name, value in (case.headers or {}).items()
                if name.lower() != "authorization"
            }
            seen.add(case.call(headers=headers).status_code)

        send()
    return seen


@pytest.mark.parametrize("scope", ["no token", "read"])
def test_nothing_happens_without_the_scope(here: Place, scope: str) -> None:
    headers: dict[str, str] = {}
    if scope == "read":
        token = here.json("token", "create", f"only-{scope}", "--scope", scope)["token"]
        headers = {"Authorization": f"Bearer {token}"}
    here.until(lambda: settled(here))
    before = effects(here)
    for operation in operations(here):
        needed = SCOPES[operation.method.upper(), operation.path]
        may = scope == "read" and needed is Scope.READ
        seen = statuses(operation, headers)
        assert {status for status in seen if status >= 500} == set(), operation.label
        assert may or seen <= REFUSED, f"{operation.label}: {seen}"
    assert effects(here) == before


def test_with_every_scope_no_request_is_a_server_error(here: Place) -> None:
    for operation in operations(here):
        if operation.path == "/api/agent":
            continue  # it could end this node, as it should; tests/contracts/test_api.py has it
        seen = statuses(operation, here.bearer())
        assert {status for status in seen if status >= 500} == set(), operation.label
