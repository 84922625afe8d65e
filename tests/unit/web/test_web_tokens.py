"""Tokens: who comes in, how far, how fast, and until when."""

from __future__ import annotations

import asyncio
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_stage import Stage, until

from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Conflict, NotFound, Unavailable
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.tokens import Scope, TokenId, hash_of, id_in, token_text
from dreamnet.testing.store import memory_store
from dreamnet.web import guard, streams
from dreamnet.web.bucket import Bucket, Buckets, Rate, take
from dreamnet.web.keyring import Keyring, Wish
from dreamnet.web.scopes import SCOPES


async def asked(stage: Stage, method: str, path: str, token: str | None) -> tuple[int, Any, Any]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.request(method, stage.url + path) as answer,
    ):
        return answer.status, await answer.json(content_type=None), answer.headers


def wish(name: str, scope: Scope, expires: Any = None) -> Wish:
    return Wish(name, scope, expires, by="test")


async def made(stage: Stage, scope: Scope, expires: Any = None) -> tuple[TokenId, str]:
    token, text = await stage.handles.keyring.create(wish(f"a-{scope}", scope, expires))
    return token.id, text


def filled(path: str) -> str:
    return path.replace("{", "").replace("}", "")


async def test_every_route_declares_its_scope_and_nothing_else_is_declared(stage: Stage) -> None:
    described = stage.app.api.openapi()["paths"]
    routes = {(method.upper(), path) for path, ways in described.items() for method in ways}
    assert routes | {("GET", "/openapi.json")} == set(SCOPES)
    for ways in described.values():
        for operation in ways.values():
            assert operation["security"] == [{"token": []}]


async def test_a_route_that_is_not_declared_does_not_exist(stage: Stage) -> None:
    stage.app.api.add_api_route("/api/forgotten", lambda: "secret")
    assert (await asked(stage, "GET", "/api/forgotten", stage.token))[0] == 404


@pytest.mark.parametrize(("method", "path"), sorted(SCOPES))
async def test_nobody_comes_in_without_a_token(stage: Stage, method: str, path: str) -> None:
    _, expired = await made(stage, Scope.ADMIN, stage.handles.world.clock.now())
    for token in (
        None,
        "",
        "x",
        "dn_",
        stage.token + "x",
        stage.token[:-1],
        expired,
        "ä",
        "a" * 999,
    ):
        status, body, headers = await asked(stage, method, filled(path), token)
        assert status == 401
        assert headers["WWW-Authenticate"].startswith("Bearer")
        assert body["mend"]
        assert "1.2.3" not in str(body)


@pytest.mark.parametrize(("method", "path"), sorted(SCOPES))
async def test_a_scope_opens_what_it_covers_and_no_more(
    stage: Stage, method: str, path: str
) -> None:
    for scope in Scope:
        if scope.covers(SCOPES[method, path]):
            continue
        _, text = await made(stage, scope)
        status, body, headers = await asked(stage, method, filled(path), text)
        assert (status, body["type"]) == (403, "urn:dreamnet:problem:small-scope")
        assert 'error="insufficient_scope"' in headers["WWW-Authenticate"]


async def test_a_reader_reads(stage: Stage) -> None:
    _, text = await made(stage, Scope.READ)
    for path in ("/api/status", "/metrics", "/api/ledger"):
        async with stage.client.get(
            stage.url + path, headers={"Authorization": f"Bearer {text}"}
        ) as answer:
            assert answer.status == 200


async def test_a_token_is_made_shown_once_used_and_revoked(stage: Stage) -> None:
    wanted = {"name": "grafana", "scope": "read", "expires_s": 60}
    answer = await stage.post("/api/tokens", wanted)
    body = await answer.json()
    text = body["token"]
    assert (answer.status, body["name"], body["valid"]) == (201, "grafana", True)
    assert (await asked(stage, "GET", "/api/status", text))[0] == 200
    _, listed = await stage.get("/api/tokens")
    assert [one["name"] for one in listed["tokens"]] == ["local", "grafana"]
    for _ in range(2):
        status, ended, _ = await asked(stage, "DELETE", f"/api/tokens/{body['id']}", stage.token)
        assert (status, ended["valid"]) == (200, False)
    assert (await asked(stage, "GET", "/api/status", text))[0] == 401
    _, ledger = await stage.get("/api/ledger")
    kinds = [(row["kind"], row["body"]["name"], row["body"]["by"]) for row in ledger["rows"]]
    assert kinds == [
        ("token-created", "local", "node"),
        ("token-created", "grafana", "local"),
        ("token-revoked", "grafana", "local"),
    ]
    everything = str(listed) + str(ledger)
    for secret in (text, stage.token):
        assert secret not in everything
        assert hash_of(secret) not in everything


async def test_names_are_unique_among_valid_tokens(stage: Stage) -> None:
    first, _ = await made(stage, Scope.READ)
    with pytest.raises(Conflict):
        await made(stage, Scope.READ)
    await stage.handles.keyring.revoke(first, by="test")
    await made(stage, Scope.READ)
    with pytest.raises(NotFound):
        await stage.handles.keyring.revoke(TokenId("tok-none"), by="test")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scope": "read"},
        {"name": "A B", "scope": "read"},
        {"name": "a", "scope": "root"},
        {"name": "a", "scope": "read", "expires_s": 0},
        {"name": "a", "scope": "read", "expires_s": 2**70},
        {"name": "a", "scope": "read", "more": 1},
        {"scope": "read"},
    ],
)
async def test_a_wrong_wish_is_a_problem(stage: Stage, body: dict[str, Any]) -> None:
    answer = await stage.post("/api/tokens", body)
    assert answer.status in {404, 422}


async def test_the_store_may_go_away(stage: Stage) -> None:
    await stage.store.close()
    assert (await stage.get("/api/services"))[0] == 200
    assert (await asked(stage, "GET", "/api/services", "wrong"))[0] == 401


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_stream_ends_with_its_token(
    stage: Stage, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "TOKEN_LOOK_S", 0.02)
    soon = stage.handles.world.clock.now() + timedelta(seconds=0.3)
    token, text = await made(stage, Scope.READ, soon if how == "expired" else None)
    headers = {"Authorization": f"Bearer {text}"}
    async with stage.client.get(stage.url + "/api/events", headers=headers) as answer:
        assert answer.status == 200
        if how == "revoked":
            await stage.handles.keyring.revoke(token, by="test")
        async with asyncio.timeout(5):
            await answer.content.read()
    await until(lambda: stage.app.streams.count == 0)


async def test_who_has_no_token_cannot_starve_those_who_have_or_watch(stage: Stage) -> None:
    seen = {(await asked(stage, "GET", "/api/status", "wrong"))[0] for _ in range(40)}
    assert seen == {401, 429}
    status, body, headers = await asked(stage, "GET", "/api/status", None)
    assert (status, body["type"]) == (429, "urn:dreamnet:problem:too-fast")
    assert int(headers["Retry-After"]) >= 1
    assert (await stage.get("/api/status"))[0] == 200
    assert (await asked(stage, "GET", "/health/live", None))[0] == 200


async def test_a_token_that_asks_too_often_waits(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "ASKING", Rate(burst=3, per_s=0.001))
    slow = guard.Guard(stage.handles.keyring, lambda: 0.0)
    stage.app._app._guard = slow
    seen = [(await stage.get("/api/services"))[0] for _ in range(5)]
    assert seen == [200, 200, 200, 429, 429]
    assert (await stage.get("/health/live"))[0] == 200


async def test_a_node_that_starts_opens_to_its_own_token_only(stage: Stage) -> None:
    _, other = await made(stage, Scope.ADMIN)
    closed = Keyring(stage.store, SystemClock(), stage.folder / "token")
    with pytest.raises(Unavailable):
        closed.find(other)
    stage.app._app._guard = guard.Guard(closed, lambda: 0.0)
    assert (await stage.get("/api/status"))[0] == 200
    assert (await asked(stage, "GET", "/api/status", other))[0] == 503
    assert (await asked(stage, "GET", "/health/live", other))[0] == 200
    (stage.folder / "token").unlink()
    assert (await stage.get("/api/status"))[0] == 503


# -- the file of the node's own token


async def opened(tmp_path: Path, store: Any) -> Keyring:
    keyring = Keyring(store, SystemClock(), tmp_path / "token")
    await keyring.open()
    return keyring


async def test_the_first_token_is_kept_private_and_over_restarts(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with memory_store() as store:
        await opened(tmp_path, store)
        text = file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        file.chmod(0o644)
        keyring = await opened(tmp_path, store)
        assert file.read_text() == text
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        found = keyring.find(text.strip())
        assert found is not None
        assert found.scope is Scope.ADMIN


@pytest.mark.parametrize("damage", [None, "", "nonsense", "dn_tok-1_x", "\udcff", "reader"])
async def test_a_file_that_opens_nothing_is_replaced(tmp_path: Path, damage: str | None) -> None:
    file = tmp_path / "token"
    async with memory_store() as store:
        first = await opened(tmp_path, store)
        before = file.read_text()
        if damage is None:
            file.unlink()
        elif damage == "reader":
            file.write_text((await first.create(wish("reader", Scope.READ)))[1])
        else:
            file.write_bytes(damage.encode("utf-8", "surrogateescape"))
        keyring = await opened(tmp_path, store)
        assert keyring.find(file.read_text().strip()) is not None
        assert keyring.find(before.strip()) is None
        valid = [one for one in keyring.tokens() if one.name == "local" and keyring.is_valid(one)]
        assert len(valid) == 1


class _Reading:
    """A store that takes nothing: its disk is full, or another node has it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def read(self, work: Any) -> Any:
        return await self._inner.read(work)

    async def tx(self, work: Any) -> Any:
        raise Unavailable("full")


async def test_a_node_whose_store_takes_no_write_still_opens_to_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    text = token_text(TokenId("tok-1"), "secret")
    file.write_text(text)
    async with memory_store() as store:
        keyring: Any = Keyring(_Reading(store), SystemClock(), file)  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            await keyring.open()
        assert file.read_text() == text
        found = keyring.find(text)
        assert found is not None
        assert keyring.is_valid(found)


async def test_an_own_token_that_another_node_ended_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamnet.web.keyring.LOOK_EVERY_S", 0.01)
    (tmp_path / "other").mkdir()
    file = tmp_path / "token"
    async with memory_store() as store:
        here = await opened(tmp_path, store)
        ended = file.read_text().strip()
        await opened(tmp_path / "other", store)
        async with Tasks("test") as tasks:
            tasks.loop("keyring", here.run)
            await until(lambda: here.find(ended) is None)
            await until(lambda: here.find(file.read_text().strip()) is not None)


async def test_revoking_the_own_token_makes_a_new_one_at_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with memory_store() as store:
        keyring = await opened(tmp_path, store)
        text = file.read_text().strip()
        await keyring.revoke(id_in(text), by="test")
        assert keyring.find(text) is None
        assert keyring.find(file.read_text().strip()) is not None


async def test_another_node_s_revocation_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamnet.web.keyring.LOOK_EVERY_S", 0.01)
    async with memory_store() as store:
        here, there = await opened(tmp_path, store), await opened(tmp_path, store)
        token, text = await here.create(wish("both", Scope.READ))
        looking = asyncio.create_task(there.run())
        await until(lambda: there.find(text) is not None)
        await here.revoke(token.id, by="test")
        await until(lambda: there.find(text) is None)
        looking.cancel()


# -- pure parts


@given(st.text(max_size=300))
def test_any_text_has_an_id_or_none(text: str) -> None:
    assert isinstance(id_in(text), str)


def test_a_text_names_its_token() -> None:
    assert id_in(token_text(TokenId("tok-1"), "a_b-c")) == "tok-1"


def test_scopes_are_ordered() -> None:
    ordered = list(Scope)
    for one in ordered:
        for other in ordered:
            assert one.covers(other) == (ordered.index(one) >= ordered.index(other))


@given(
    st.lists(st.floats(min_value=0, max_value=10), max_size=60),
    st.integers(min_value=1, max_value=10),
    st.floats(min_value=0.1, max_value=100),
)
def test_a_bucket_lets_out_no_more_than_its_rate(
    steps: list[float], burst: int, per_s: float
) -> None:
    rate = Rate(burst, per_s)
    bucket, now, taken = Bucket(burst, 0.0), 0.0, 0
    for step in steps:
        now += step
        bucket, wait_s = take(bucket, rate, now)
        taken += wait_s == 0
        assert wait_s >= 0
        assert 0 <= bucket.left <= burst
        if wait_s:
            assert take(bucket, rate, now + wait_s + 1e-6)[1] == 0
    assert taken <= burst + now * per_s + 1e-6


def test_a_bucket_survives_a_clock_that_goes_back() -> None:
    bucket, _ = take(Bucket(5, 100.0), Rate(5, 1), 50.0)
    assert bucket.left == 4


def test_the_memory_of_callers_is_bounded() -> None:
    buckets = Buckets(Rate(1, 1), most=10)
    for number in range(1000):
        assert buckets.take(str(number), 0.0) == 0
    assert len(buckets) == 10
    assert buckets.take("999", 0.0) > 0


def test_ipv6_callers_share_their_network() -> None:
    one, two = ({"client": (f"2001:db8::{number}", 1)} for number in (1, 2))
    assert guard._source(one) == guard._source(two)
    assert guard._source({"client": None}) == ""
