"""What is only watched, through the whole circle: dreams are told, nothing is ever done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from rig import Rig, rig

from dreamnet.agents.desk import Desk
from dreamnet.domain.dreams.dream import Phase
from dreamnet.model.actions import Agent, Office, Proposal, Rejected, Verb
from dreamnet.model.address import Address
from dreamnet.model.facts import WatchAnswered
from dreamnet.model.watches import CertificateWatch, WatchFailure, WatchName

BANK = WatchName("bank")
WATCH = CertificateWatch(
    name=BANK, address=Address(host="bank.example", port=443), certificate_days=14
)


async def look(
    here: Rig, failure: WatchFailure | None = None, days: int | None = None, times: int = 1
) -> None:
    """Let so many looks end so, half a minute apart, with everyone ticking after each."""
    for _ in range(times):
        await here.beat(30)
        now = here.clock.now()
        ends = None if days is None else now + timedelta(days=days)
        here.world.apply(
            WatchAnswered(
                at=now,
                watch=BANK,
                failure=failure,
                output=str(failure or "well"),
                certificate_ends=ends,
            )
        )
        await here.beat()


async def told(here: Rig) -> list[tuple[str, str, Phase]]:
    """Return the dreams about the bank, oldest first."""
    dreams = reversed(await here.dreams())
    return [
        (dream.target, dream.symptom.kind.value, dream.phase)
        for dream in dreams
        if dream.target.startswith("bank")
    ]


async def touched(here: Rig) -> list[str]:
    return [one.proposal.target for one in await here.actions() if "bank" in one.proposal.target]


async def test_an_outage_is_confirmed_told_and_resolved_without_an_action(tmp_path: Path) -> None:
    async with rig(tmp_path) as here:
        here.world.outside.watch([WATCH])
        await look(here, days=90)
        await look(here, WatchFailure.REFUSED)
        assert await told(here) == [], "one bad answer is not yet believed"
        await look(here, WatchFailure.REFUSED, times=5)
        assert await told(here) == [("bank", "unreachable", Phase.ESCALATED)]
        await look(here, days=90, times=2)
        assert await told(here) == [("bank", "unreachable", Phase.ESCALATED)]
        await look(here, days=90)
        assert await told(here) == [("bank", "unreachable", Phase.RESOLVED)]
        assert await touched(here) == []


async def test_a_certificate_warns_beside_an_outage_and_does_not_flap(tmp_path: Path) -> None:
    async with rig(tmp_path) as here:
        here.world.outside.watch([WATCH])
        await look(here, days=13)
        warning = ("bank/certificate", "certificate-expiring", Phase.ESCALATED)
        assert await told(here) == [warning]
        await look(here, WatchFailure.TLS, times=3)
        assert await told(here) == [warning, ("bank", "unreachable", Phase.ESCALATED)]
        for _ in range(3):  # one of two servers has the new one
            await look(here, days=90)
            await look(here, days=13)
        await look(here, days=90, times=3)
        assert (await told(here))[0] == warning
        await look(here, days=90, times=20)
        assert await told(here) == [
            ("bank/certificate", "certificate-expiring", Phase.RESOLVED),
            ("bank", "unreachable", Phase.RESOLVED),
        ]
        assert await touched(here) == []


async def test_a_wrong_answer_is_another_symptom(tmp_path: Path) -> None:
    async with rig(tmp_path) as here:
        here.world.outside.watch([WATCH])
        await look(here, WatchFailure.STATUS, times=2)
        assert await told(here) == [("bank", "wrong-answer", Phase.ESCALATED)]


async def test_a_dream_of_what_is_no_longer_watched_ends(tmp_path: Path) -> None:
    async with rig(tmp_path) as here:
        here.world.outside.watch([WATCH])
        await look(here, WatchFailure.DNS, days=1, times=2)
        assert {phase for *_, phase in await told(here)} == {Phase.ESCALATED}
        here.world.outside.watches.clear()
        await here.beat()
        assert {phase for *_, phase in await told(here)} == {Phase.RESOLVED}


async def test_an_answer_of_the_unknown_is_ignored(tmp_path: Path) -> None:
    async with rig(tmp_path) as here:
        await look(here, WatchFailure.DNS, times=3)
        assert await told(here) == []


async def test_the_desk_refuses_whoever_asks(tmp_path: Path) -> None:
    async with rig(tmp_path) as here:
        parts = here.desk._parts
        desk = Desk(type(parts)(**{**vars(parts), "untouchable": frozenset({"bank"})}))
        for agent in Agent:
            for target in ("bank", "bank/1", "bank/certificate"):
                verdict = await desk.propose(
                    Proposal(
                        key=f"{agent}-{target}",
                        agent=agent,
                        performer=Agent.DEPLOYKEEPER,
                        office=Office.DEPLOY,
                        verb=Verb.RESTART,
                        target=target,
                    )
                )
                assert isinstance(verdict, Rejected)
                assert verdict.retry_after_s is None
        assert await touched(here) == []
