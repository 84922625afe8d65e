"""Values come back as they were; words of a newer DreamNet pass through and are not acted on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.drivers.store.codec import (
    canonical,
    clean,
    from_micros,
    read_record,
    to_micros,
    write_record,
)
from dreamnet.kernel.errors import Corrupt
from dreamnet.model.actions import ActionPhase, Agent, Proposal
from dreamnet.testing.store import temporary_store
from tests.contracts.storing import LEASE, NOW, an_action
from tests.contracts.test_store_ledger import harm

ZONES = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
EARLIEST, LATEST = datetime(1000, 1, 1), datetime(9000, 1, 1)  # noqa: DTZ001  (Hypothesis adds zones)


@given(st.datetimes(EARLIEST, LATEST, timezones=ZONES), st.datetimes(timezones=st.just(UTC)))
def test_times_return_and_sort_to_the_microsecond(one: datetime, two: datetime) -> None:
    assert from_micros(to_micros(one)) == one
    assert from_micros(to_micros(one)).tzinfo is UTC
    assert (to_micros(one) < to_micros(two)) == (one < two)


@given(st.text())
def test_clean_text_fits_every_database_and_is_clean_for_good(text: str) -> None:
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned.encode().decode()


def test_canonical_text_does_not_depend_on_order() -> None:
    assert canonical({"b": 1, "a": [1.5, None, "ä"]}) == canonical({"a": [1.5, None, "ä"], "b": 1})


def test_a_strange_word_or_field_passes_through() -> None:
    proposal = an_action(args={"n": 1}).proposal
    text = write_record(proposal)
    strange = text.replace('"restart"', '"levitate"').replace("{", '{"aura":3,', 1)
    read = read_record(Proposal, strange)
    assert read.verb == "levitate"
    assert read.model_copy(update={"verb": proposal.verb}) == proposal


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": 1}'])
def test_what_is_no_record_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt, match="stored"):
        read_record(Proposal, text)


async def test_an_action_with_a_strange_word_counts_but_is_not_claimed(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    async with temporary_store(file) as store:
        for number in (1, 2, 3):
            action = an_action(f"a{number}", target=f"shop/{number}")
            await store.tx(lambda tx, action=action: tx.actions.insert(action))
        change = "UPDATE actions SET proposal = replace(proposal, '\"restart\"', '\"levitate\"')"
        harm(file, f"{change} WHERE id = 'a2'", "UPDATE actions SET phase = 'odd' WHERE id = 'a3'")
        active = await store.read(lambda tx: tx.actions.active())
        assert [(one.id, one.proposal.verb) for one in active] == [
            ("a1", "restart"),
            ("a2", "levitate"),
        ]
        claimed = await store.tx(lambda tx: tx.actions.claim(Agent.DEPLOYKEEPER, "n", NOW, LEASE))
        assert [one.id for one in claimed] == ["a1"]
        recent = await store.read(lambda tx: tx.actions.recent(9))
        assert [one.phase for one in recent] == ["odd", ActionPhase.PERMITTED, ActionPhase.CLAIMED]
