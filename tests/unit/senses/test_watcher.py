"""The far sense on real servers: what is good, and how each kind of failure is told."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import uvloop
from aiohttp import web
from pydantic import SecretStr

from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.ports import free_port
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.address import Address
from dreamnet.model.facts import WatchAnswered
from dreamnet.model.watches import (
    CertificateWatch,
    DnsWatch,
    StatusRange,
    TcpWatch,
    UrlWatch,
    Watch,
    WatchFailure,
    WatchName,
)
from dreamnet.senses import watcher as module
from dreamnet.senses.watcher import Watcher
from tests.far_servers import Authority, serving, talking

LIMIT_S = 10.0
BANK = WatchName("bank")
QUICK = {"interval": timedelta(seconds=0.1), "timeout": timedelta(seconds=5)}


def url(text: str, **more: object) -> UrlWatch:
    status = more.pop("status", StatusRange(low=200, high=399))
    return UrlWatch.model_validate(
        {"name": BANK, "url": SecretStr(text), "status": status, "certificate_days": 14}
        | QUICK
        | more
    )


class Heard:
    def __init__(self) -> None:
        self.facts: list[WatchAnswered] = []
        self.news = asyncio.Event()

    def __call__(self, fact: WatchAnswered) -> None:
        self.facts.append(fact)
        self.news.set()

    async def until(self, holds: Callable[[list[WatchAnswered]], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not holds(self.facts):
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def watching(*watches: Watch, context: ssl.SSLContext | None = None):
    heard = Heard()
    sense = Watcher(watches, heard, SystemClock(), random.Random(7), context=context)
    async with Tasks("test") as tasks:
        tasks.loop("watcher", sense.run)
        yield heard


async def first(watch: Watch, context: ssl.SSLContext | None = None) -> WatchAnswered:
    """Return the first answer."""
    async with watching(watch, context=context) as heard:
        await heard.until(bool)
        return heard.facts[0]


def answering(status: int, body: bytes = b"", **headers: str):
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return handle


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPREAD_S", 0.0)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def test_an_answer_within_the_status_is_good_and_a_redirect_is_an_answer() -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with serving(handle) as where:
        heard = await first(url(where))
        assert (heard.good, heard.output, asked) == (True, "status 302", ["/"])
        strict = await first(url(where, status=StatusRange(low=200, high=299)))
    assert strict.failure is WatchFailure.STATUS
    assert strict.output == "status 302, expected 200-299"
    assert strict.certificate_ends is None


async def test_the_text_has_to_be_in_the_body_within_its_bound() -> None:
    async with serving(answering(200, b"x" * 2**19 + b"all is well")) as where:
        assert (await first(url(where, contains="all is well"))).good
        missing = await first(url(where, contains="all is lost"))
    assert missing.failure is WatchFailure.TEXT
    assert "xxx" not in missing.output
    async with serving(answering(200, b"x" * 2**20 + b"all is well")) as where:
        assert not (await first(url(where, contains="all is well"))).good


async def test_a_body_without_an_end_is_not_read_for_ever() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with serving(handle) as where:
        assert (await first(url(where))).good
        heard = await first(url(where, contains="never"))
    assert heard.failure is WatchFailure.TEXT


async def test_credentials_are_sent_and_never_told() -> None:
    asked: list[tuple[str | None, str]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.headers.get("Authorization"), request.query_string))
        return web.Response(status=403, text="no entry for me s3cret t0ken")

    async with serving(handle) as where:
        heard = await first(url(where.replace("://", "://me:s3cret@") + "?key=t0ken"))
    assert asked[0] == ("Basic bWU6czNjcmV0", "key=t0ken")
    assert not {"s3cret", "t0ken"} & set(heard.model_dump_json().replace('"', " ").split())
    assert heard.output == "status 403, expected 200-399"


async def test_nobody_listens() -> None:
    port = free_port()
    for watch in (
        url(f"http://127.0.0.1:{port}/"),
        TcpWatch(name=BANK, address=Address(host="127.0.0.1", port=port)),
        CertificateWatch(
            name=BANK, address=Address(host="127.0.0.1", port=port), certificate_days=14
        ),
    ):
        heard = await first(watch)
        assert (heard.failure, heard.output) == (WatchFailure.REFUSED, "connection refused")


async def test_a_name_that_nobody_knows() -> None:
    for watch in (
        url("http://no-such-host.invalid/"),
        TcpWatch(name=BANK, address=Address(host="no-such-host.invalid", port=80)),
        DnsWatch(name=BANK, host="no-such-host.invalid"),
    ):
        heard = await first(watch)
        assert heard.failure is WatchFailure.DNS
        assert "does not resolve" in heard.output


async def test_a_name_and_its_addresses() -> None:
    assert (await first(DnsWatch(name=BANK, host="127.0.0.1", expect=("127.0.0.1",)))).good
    heard = await first(DnsWatch(name=BANK, host="127.0.0.1", expect=("192.0.2.7",)))
    assert heard.failure is WatchFailure.ADDRESSES
    assert heard.output == "resolves to 127.0.0.1, expected 192.0.2.7"


async def test_no_answer_in_time_and_broken_answers() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await reader.read(1)

    said: list[tuple[WatchFailure | None, str]] = []
    for talk in (silent, rude, mail):
        async with talking(talk) as port:
            watch = url(f"http://127.0.0.1:{port}/", timeout=timedelta(seconds=0.5))
            heard = await first(watch)
            said.append((heard.failure, heard.output))
            tcp = TcpWatch(name=BANK, address=Address(host="127.0.0.1", port=port))
            assert (await first(tcp)).good
    assert said == [
        (WatchFailure.TIMED_OUT, "no answer within 0.5 s"),
        (WatchFailure.NETWORK, "closed the connection without an answer"),
        (WatchFailure.NETWORK, "the answer is not HTTP"),
    ]


async def test_the_end_of_a_certificate_is_seen(authority: Authority) -> None:
    tls = authority.server(days=20)
    async with serving(answering(500, b"no"), tls) as where:
        port = int(where.rsplit(":", 1)[1].strip("/"))
        address = Address(host="127.0.0.1", port=port)
        ill = await first(url(where), authority.trusting)
        alone = CertificateWatch(name=BANK, address=address, certificate_days=14)
        seen = await first(alone, authority.trusting)
    assert ill.failure is WatchFailure.STATUS
    for heard in (ill, seen):
        assert heard.certificate_ends is not None
        assert (heard.certificate_ends - datetime.now(UTC)).days in (19, 20)
    assert (seen.good, seen.output) == (True, "certificate trusted")


@pytest.mark.parametrize(
    ("days", "name", "trusted", "said"),
    [
        (-1, "127.0.0.1", True, "certificate has expired"),
        (90, "10.9.8.7", True, "mismatch"),
        (90, "127.0.0.1", False, "unable to get local issuer certificate"),
    ],
)
async def test_a_certificate_that_cannot_be_trusted(
    authority: Authority, days: int, name: str, trusted: bool, said: str
) -> None:
    context = authority.trusting if trusted else None
    async with serving(answering(200), authority.server(days=days, name=name)) as where:
        port = int(where.rsplit(":", 1)[1].strip("/"))
        address = Address(host="127.0.0.1", port=port)
        for watch in (
            url(where),
            CertificateWatch(name=BANK, address=address, certificate_days=14),
        ):
            heard = await first(watch, context)
            assert heard.failure is WatchFailure.TLS
            assert said in heard.output
            assert heard.certificate_ends is None


def test_certificates_and_names_are_seen_on_the_nodes_own_event_loop(authority: Authority) -> None:
    async def told() -> None:
        async with serving(answering(200), authority.server(days=20)) as where:
            assert (await first(url(where), authority.trusting)).certificate_ends is not None
            assert (await first(url(where))).failure is WatchFailure.TLS
        heard = await first(DnsWatch(name=BANK, host="no-such-host.invalid"))
        assert heard.failure is WatchFailure.DNS

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(told())


async def test_plain_http_behind_an_https_url(authority: Authority) -> None:
    async with serving(answering(200)) as where:
        heard = await first(url(where.replace("http:", "https:")), authority.trusting)
    assert heard.failure is WatchFailure.TLS


async def test_it_goes_on_and_a_first_failure_is_asked_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SECOND_LOOK_S", 0.05)
    answers = iter([200, 503, 503, 200])

    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=next(answers, 200))

    async with (
        serving(handle) as where,
        watching(url(where, interval=timedelta(seconds=1))) as heard,
    ):
        await heard.until(lambda facts: len(facts) >= 4)
    assert [fact.good for fact in heard.facts[:4]] == [True, False, False, True]
    between = heard.facts[2].at - heard.facts[1].at
    assert between < timedelta(seconds=0.6), "the second look came before the next beat"


async def test_watches_do_not_hold_each_other_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(silent) as port, serving(answering(200)) as where:
        slow = url(f"http://127.0.0.1:{port}/").model_copy(update={"name": WatchName("slow")})
        async with watching(slow, url(where)) as heard:
            await heard.until(lambda facts: len(facts) >= 5)
    assert {fact.watch for fact in heard.facts} == {BANK}


async def test_nothing_to_watch_costs_nothing() -> None:
    async with watching() as heard:
        await asyncio.sleep(0)
    assert heard.facts == []
