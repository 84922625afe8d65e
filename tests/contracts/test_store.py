"""The store's contract on SQLite and PostgreSQL: transactions, cases, actions and the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamnet.drivers.store.base import Answer, Tx
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.errors import Conflict, Permanent, Unavailable
from dreamnet.model.actions import ActionPhase, Agent
from dreamnet.model.cases import CaseId, CaseKind
from dreamnet.model.services import ServiceName
from tests.contracts.storing import LEASE, NOW, SECOND, a_case, a_message, an_action, place, store
from tests.postgres import postgres_database, postgres_server, postgres_url

__all__ = ["place", "postgres_database", "postgres_server", "postgres_url", "store"]

DREAM = CaseKind.DREAM
KEEPER = Agent.DEPLOYKEEPER


class Oops(Exception):
    """What a test's own work raises."""


async def test_a_new_store_is_at_head_and_empty(store: SqlStore) -> None:
    present, newest = await store.at_head()
    assert present == newest
    assert await store.read(lambda tx: tx.cases.live(DREAM)) == []
    assert (await store.read(lambda tx: tx.ledger.verify())).broken_at is None


async def test_what_was_acknowledged_is_there_after_reopening(
    store: SqlStore, place: str | Path
) -> None:
    case = a_case()
    await store.tx(lambda tx: tx.cases.open(case))
    await store.close()
    again = SqlStore(place)
    await again.open()
    kept = await again.read(lambda tx: tx.cases.get(case.id))
    await again.close()
    assert kept is not None
    assert (kept.opened, kept.opened.utcoffset()) == (NOW, NOW.utcoffset())
    assert kept == case


async def test_opening_and_closing_twice_is_harmless(store: SqlStore) -> None:
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(Unavailable, match="not open"):
        await store.tx(lambda tx: tx.services.desired())


async def test_a_raised_error_leaves_nothing_behind(store: SqlStore) -> None:
    called: list[str] = []

    def work(tx: Tx) -> None:
        tx.cases.open(a_case())
        tx.messages.send(a_message())
        tx.after_commit(lambda: called.append("lost"))
        raise Oops

    with pytest.raises(Oops):
        await store.tx(work)
    assert await store.read(lambda tx: tx.cases.recent(DREAM, 9)) == []
    assert await store.read(lambda tx: tx.ledger.tail(9)) == []
    assert called == []


async def test_calls_after_the_commit_run_in_the_event_loop_and_see_it(store: SqlStore) -> None:
    seen: list[tuple[int, threading.Thread]] = []

    def work(tx: Tx) -> threading.Thread:
        tx.services.want(ServiceName("shop"), 2, 1)
        tx.after_commit(lambda: seen.append((1, threading.current_thread())))
        tx.after_commit(lambda: seen[9])  # a failing call does not undo what is durable
        tx.after_commit(lambda: seen.append((2, threading.current_thread())))
        return threading.current_thread()

    worker = await store.tx(work)
    assert seen == [(1, threading.current_thread()), (2, threading.current_thread())]
    assert worker is not threading.current_thread()


async def test_one_that_fails_among_many_undoes_only_itself(store: SqlStore) -> None:
    def work(number: int) -> Callable[[Tx], int]:
        def body(tx: Tx) -> int:
            tx.services.want(ServiceName(f"s{number}"), number, 1)
            tx.ledger.append("test", f"s{number}", {}, NOW)
            if number % 7 == 0:
                raise Oops
            return number

        return body

    results = await asyncio.gather(
        *(store.tx(work(number)) for number in range(40)), return_exceptions=True
    )
    kept = {number for number in range(40) if number % 7}
    assert {result for result in results if isinstance(result, int)} == kept
    assert sum(isinstance(result, Oops) for result in results) == 40 - len(kept)
    wanted = await store.read(lambda tx: tx.services.desired())
    assert set(wanted.values()) == kept
    check = await store.read(lambda tx: tx.ledger.verify())
    assert (check.rows, check.broken_at) == (len(kept), None)


async def test_work_that_stops_an_iteration_is_told(store: SqlStore) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await store.tx(lambda tx: next(iter(tx.cases.live(DREAM))))


async def test_a_cancelled_caller_holds_up_nobody(store: SqlStore) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(store.tx(lambda tx: tx.services.want(ServiceName("x"), 1, 1)))
            for _ in range(20)
        ]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
    assert await store.tx(lambda tx: tx.services.desired()) == {"x": 1}


async def test_closing_finishes_what_was_begun(store: SqlStore, place: str | Path) -> None:
    pending = [
        asyncio.ensure_future(
            store.tx(lambda tx, n=number: tx.services.want(ServiceName(f"s{n}"), n, 0))
        )
        for number in range(300)
    ]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*pending)
    again = SqlStore(place)
    await again.open()
    assert len(await again.read(lambda tx: tx.services.desired())) == 300
    await again.close()


async def test_a_read_cannot_write(store: SqlStore) -> None:
    with pytest.raises(Permanent, match="a read transaction tried to write"):
        await store.read(lambda tx: tx.services.want(ServiceName("shop"), 1, 1))
    with pytest.raises(Permanent, match="a read transaction tried to write"):
        await store.read(lambda tx: tx.ledger.append("x", "y", {}, NOW))
    await store.tx(lambda tx: tx.services.want(ServiceName("shop"), 1, 1))


async def test_a_read_does_not_wait_behind_a_writer_and_sees_one_snapshot(store: SqlStore) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        tx.services.want(ServiceName("shop"), 1, 1)
        entered.set()
        leave.wait(30)

    writing = asyncio.ensure_future(store.tx(slow))
    await asyncio.to_thread(entered.wait, 30)
    assert await asyncio.wait_for(store.read(lambda tx: tx.services.desired()), 20) == {}
    leave.set()
    await writing
    assert await store.read(lambda tx: tx.services.desired()) == {"shop": 1}


async def test_a_time_without_a_zone_is_refused(store: SqlStore) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        await store.tx(lambda tx: tx.answers.put("k", Answer("d", 200, {}), naive))


async def test_only_one_case_of_a_kind_is_live(store: SqlStore) -> None:
    first = a_case("c1")
    assert await store.tx(lambda tx: tx.cases.open(first)) == first
    assert await store.tx(lambda tx: tx.cases.open(a_case("c2"))) is None
    assert await store.tx(lambda tx: tx.cases.open(a_case("c3", target="shop/2"))) is not None
    closed = first.model_copy(update={"live": False, "phase": "resolved"})
    assert await store.tx(lambda tx: tx.cases.advance(closed)) is not None
    assert await store.tx(lambda tx: tx.cases.open(a_case("c4"))) is not None
    live = await store.read(lambda tx: tx.cases.live(DREAM))
    assert [case.id for case in live] == ["c3", "c4"]
    recent = await store.read(lambda tx: tx.cases.recent(DREAM, 2))
    assert [case.id for case in recent] == ["c4", "c3"]


async def test_of_many_that_open_the_same_case_one_succeeds(store: SqlStore) -> None:
    opened = await asyncio.gather(
        *(store.tx(lambda tx, n=n: tx.cases.open(a_case(f"c{n}"))) for n in range(24))
    )
    assert sum(case is not None for case in opened) == 1


async def test_an_advance_of_a_case_that_moved_on_is_void(store: SqlStore) -> None:
    case = a_case()
    await store.tx(lambda tx: tx.cases.open(case))
    moves = [case.model_copy(update={"phase": f"p{n}", "data": {"n": n}}) for n in range(16)]
    moved = await asyncio.gather(
        *(store.tx(lambda tx, move=move: tx.cases.advance(move)) for move in moves)
    )
    [winner] = [case for case in moved if case is not None]
    assert winner.version == 1
    assert await store.read(lambda tx: tx.cases.get(case.id)) == winner
    assert await store.tx(lambda tx: tx.cases.advance(a_case("unknown"))) is None


async def test_an_unknown_phase_passes_through(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.cases.open(a_case(phase="from-the-future")))
    kept = await store.read(lambda tx: tx.cases.get(CaseId("c1")))
    assert kept is not None
    assert kept.phase == "from-the-future"


async def test_closed_cases_are_found_by_target_and_pruned(store: SqlStore) -> None:
    for number in range(4):
        case = a_case(f"c{number}", live=number == 3, updated=NOW + number * SECOND)
        await store.tx(lambda tx, case=case: tx.cases.open(case))
    closed = await store.read(lambda tx: tx.cases.closed_since(DREAM, "shop/1", NOW + SECOND))
    assert [case.id for case in closed] == ["c1", "c2"]
    assert await store.tx(lambda tx: tx.cases.prune(NOW + 9 * SECOND)) == 3
    assert [case.id for case in await store.read(lambda tx: tx.cases.recent(DREAM, 9))] == ["c3"]


async def test_an_action_is_kept_whole(store: SqlStore) -> None:
    action = an_action(args={"replicas": 3, "why": "ä\0"}, reason="it \0 died")
    await store.tx(lambda tx: tx.actions.insert(action))
    assert await store.read(lambda tx: tx.actions.get(action.id)) == action
    assert await store.read(lambda tx: tx.actions.by_key("key-a1")) == action
    assert await store.read(lambda tx: tx.actions.by_key("other")) is None
    assert await store.read(lambda tx: tx.actions.of_case(CaseId("c1"))) == [action]


async def test_a_key_makes_one_action(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.actions.insert(an_action("a1", key="k")))
    with pytest.raises(Conflict):
        await store.tx(lambda tx: tx.actions.insert(an_action("a2", key="k", target="other")))
    assert len(await store.read(lambda tx: tx.actions.recent(9))) == 1


async def test_a_target_has_at_most_one_active_disruptive_action(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.actions.insert(an_action("a1")))
    with pytest.raises(Conflict):
        await store.tx(lambda tx: tx.actions.insert(an_action("a2")))
    await store.tx(lambda tx: tx.actions.insert(an_action("a3", disruptive=False)))
    await store.tx(lambda tx: tx.actions.insert(an_action("a4", phase="proposed")))
    with pytest.raises(Conflict):
        await store.tx(
            lambda tx: tx.actions.decide(an_action("a4").id, ActionPhase.PERMITTED, "", NOW)
        )
    claimed = await store.tx(lambda tx: tx.actions.claim(KEEPER, "n1", NOW, LEASE))
    assert [action.id for action in claimed] == ["a1", "a3"]
    await store.tx(lambda tx: tx.actions.finish(claimed[0], ActionPhase.FAILED, "", NOW))
    await store.tx(lambda tx: tx.actions.insert(an_action("a5")))
    active = await store.read(lambda tx: tx.actions.active())
    assert [action.id for action in active] == ["a3", "a5"]


async def test_a_transaction_sees_its_own_changes_among_the_active(store: SqlStore) -> None:
    def work(tx: Tx) -> list[list[str]]:
        seen: list[list[str]] = []

        def look() -> None:
            seen.append([action.id for action in tx.actions.active()])

        look()
        tx.actions.insert(an_action("a1"))
        look()
        tx.actions.insert(an_action("a2", phase="proposed", target="shop/2"))
        tx.actions.decide(an_action("a2").id, ActionPhase.PERMITTED, "yes", NOW)
        look()
        [first, _] = tx.actions.claim(KEEPER, "n1", NOW, LEASE)
        assert [action.phase for action in tx.actions.active()] == [ActionPhase.CLAIMED] * 2
        tx.actions.finish(first, ActionPhase.FAILED, "", NOW)
        look()
        return seen

    assert await store.tx(work) == [[], ["a1"], ["a1", "a2"], ["a2"]]


async def test_judgements_run_one_at_a_time(store: SqlStore) -> None:
    def judge(number: int) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            tx.actions.lock()
            if len(tx.actions.active()) >= 3:
                return False
            tx.actions.insert(an_action(f"a{number}", target=f"shop/{number}"))
            return True

        return work

    permitted = await asyncio.gather(*(store.tx(judge(number)) for number in range(24)))
    assert sum(permitted) == 3


async def test_a_decision_is_made_once(store: SqlStore) -> None:
    for number in (1, 2):
        waiting = an_action(f"a{number}", phase="proposed", target=f"shop/{number}")
        await store.tx(lambda tx, waiting=waiting: tx.actions.insert(waiting))
    first, second = an_action("a1").id, an_action("a2").id
    assert await store.tx(lambda tx: tx.actions.decide(first, ActionPhase.PERMITTED, "yes", NOW))
    assert await store.tx(lambda tx: tx.actions.decide(second, ActionPhase.REJECTED, "no", NOW))
    for phase in (ActionPhase.PERMITTED, ActionPhase.REJECTED):
        assert not await store.tx(lambda tx, p=phase: tx.actions.decide(first, p, "", NOW))
    denied = await store.read(lambda tx: tx.actions.get(second))
    assert denied is not None
    assert (denied.phase, denied.detail, denied.ended) == (ActionPhase.REJECTED, "no", NOW)
    with pytest.raises(ValueError, match="permitted or rejected"):
        await store.tx(lambda tx: tx.actions.decide(first, ActionPhase.CLAIMED, "", NOW))


async def test_only_ended_actions_are_pruned(store: SqlStore) -> None:
    await store.tx(lambda tx: tx.actions.insert(an_action("a1")))
    [claimed] = await store.tx(lambda tx: tx.actions.claim(KEEPER, "n", NOW, LEASE))
    await store.tx(lambda tx: tx.actions.finish(claimed, ActionPhase.SUCCEEDED, "", NOW))
    await store.tx(lambda tx: tx.actions.insert(an_action("a2")))
    assert await store.tx(lambda tx: tx.actions.prune(NOW)) == 0
    assert await store.tx(lambda tx: tx.actions.prune(NOW + SECOND)) == 1
    assert [action.id for action in await store.read(lambda tx: tx.actions.recent(9))] == ["a2"]


async def test_wanted_counts_follow_the_file_only_where_it_changed(store: SqlStore) -> None:
    shop, blog, wiki = ServiceName("shop"), ServiceName("blog"), ServiceName("wiki")
    assert await store.tx(lambda tx: tx.services.adopt({shop: 2, blog: 1})) == {shop: 2, blog: 1}
    await store.tx(lambda tx: tx.services.want(shop, 5, 2))
    assert await store.tx(lambda tx: tx.services.adopt({shop: 2, wiki: 1})) == {shop: 5, wiki: 1}
    assert await store.tx(lambda tx: tx.services.adopt({shop: 3, wiki: 1})) == {shop: 3, wiki: 1}
    assert await store.read(lambda tx: tx.services.desired()) == {shop: 3, wiki: 1}


async def test_an_answer_is_stored_once_and_pruned(store: SqlStore) -> None:
    answer = Answer("digest", 202, {"ok": True, "text": "ä\0"})
    await store.tx(lambda tx: tx.answers.put("key", answer, NOW))
    assert await store.read(lambda tx: tx.answers.get("key")) == answer
    assert await store.read(lambda tx: tx.answers.get("a \0 key")) is None
    with pytest.raises(Conflict):
        await store.tx(lambda tx: tx.answers.put("key", answer, NOW))
    assert await store.tx(lambda tx: tx.answers.prune(NOW)) == 0
    assert await store.tx(lambda tx: tx.answers.prune(NOW + SECOND)) == 1


async def test_a_proof_of_writing_reaches_the_disk_and_leaves_nothing(
    store: SqlStore, place: str | Path
) -> None:
    wal = Path(f"{place}-wal")
    before = wal.stat().st_size if wal.exists() else 0
    head = (await store.read(lambda tx: tx.ledger.verify())).head
    await asyncio.gather(*(store.tx(lambda tx: tx.prove_writable()) for _ in range(8)))
    assert (await store.read(lambda tx: tx.ledger.verify())).head == head
    assert await store.tx(lambda tx: tx.answers.prune(NOW + 10**6 * SECOND)) == 0
    if isinstance(place, Path):
        assert wal.stat().st_size > before
    with pytest.raises(Exception, match=r"read-?only"):
        await store.read(lambda tx: tx.prove_writable())
