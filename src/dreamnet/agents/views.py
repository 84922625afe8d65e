"""From the world to the views that dreams are judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from dreamnet.agents.world import PARTS, InstanceSeen, World, is_erring
from dreamnet.domain.dreams.view import Condition, Peers, Trouble, TroubleKind, View
from dreamnet.domain.vitals import Verdict, Vitals
from dreamnet.model.instances import slot_target
from dreamnet.model.services import ServiceName, ServiceSpec, Slot

# A dependency shared by all replicas takes them one after the other; a shorter look would call a
# hang, whose readiness falls a moment before its liveness, a lost dependency.
CONFIRM_ALL_UNREADY = timedelta(seconds=1)

_CONDITIONS = {
    Verdict.UNKNOWN: Condition.UNKNOWN,
    Verdict.WELL: Condition.WELL,
    Verdict.FAILING: Condition.FAILING,
}


def views_of(world: World, now: datetime) -> dict[str, View]:
    """Return what is seen of every target: ours and what is only watched."""
    tallies = {name: _tally(world.of_service(name)) for name in world.services}
    own = {target: view_of(world, target, now, tallies) for target in targets(world)}
    return own | world.outside.views(now)


def targets(world: World) -> list[str]:
    """Return every target of ours: services, their slots (wanted or still there), and parts."""
    found: dict[str, None] = dict.fromkeys(PARTS)
    for name in world.services:
        found[name] = None
        for slot in range(1, world.desired.get(name, 0) + 1):
            found[slot_target(name, Slot(slot))] = None
    for seen in world.instances.values():
        found[seen.instance.target] = None
    return list(found)


def view_of(
    world: World, target: str, now: datetime, tallies: Mapping[ServiceName, Peers] | None = None
) -> View:
    """Return what is seen of a target of ours; an unknown one is not wanted.

    `tallies` counts the running instances of each service; it only saves counting them anew.
    """
    if target in world.parts:
        return _part(world, target)
    service, _, slot = target.partition("/")
    spec = world.services.get(ServiceName(service))
    if spec is None:
        return View(target=target, wanted=False)
    if not slot:
        return _service(world, spec, now)
    if not slot.isdecimal():  # the certificate of what was only watched and is a service now
        return View(target=target, wanted=False)
    all_ = (tallies or {}).get(spec.name) or _tally(world.of_service(spec.name))
    return _slot(world, spec, Slot(int(slot)), (now, all_))


def _part(world: World, part: str) -> View:
    seen = world.parts[part]
    return View(
        target=part,
        incarnation=part if seen.good_in_row else "",
        ever_ready=True,
        good_in_row=seen.good_in_row,
        trouble=seen.trouble if _still(seen.trouble, seen.good_in_row) else None,
        noticed=seen.noticed,
    )


def _still(trouble: Trouble | None, good_in_row: int) -> bool:
    """A part that answers again is well again, unless its death is a story not yet told."""
    if trouble is None:
        return False
    if trouble.kind in (TroubleKind.DIED, TroubleKind.HUNG):
        return bool(trouble.mended) or good_in_row == 0
    return True


def _service(world: World, spec: ServiceSpec, now: datetime) -> View:
    seen = [one for one in world.of_service(spec.name) if one.alive and not one.withdrawn]
    wanted = world.desired.get(spec.name, 0) > 0
    return View(
        target=spec.name,
        wanted=wanted,
        incarnation=spec.name if any(one.is_ready for one in seen) else "",
        ever_ready=True,
        good_in_row=max((one.ready.streak.goods for one in seen), default=0),
        trouble=_service_trouble(world, spec, seen, now),
        noticed=max((one.ready.since for one in seen if one.ready.since), default=None),
    )


def _service_trouble(
    world: World, spec: ServiceSpec, seen: list[InstanceSeen], now: datetime
) -> Trouble | None:
    env = world.env_problems.get(spec.name)
    if env is not None:
        return Trouble(TroubleKind.ENV_INVALID, _env_words(env.missing, env.blank, env.unreadable))
    eligible = [one for one in seen if one.ready.ever_well]
    if eligible and all(_long_unready(one.ready, now) for one in eligible):
        policy = spec.on_all_unready
        words = f"all {len(eligible)} instances lost readiness ({eligible[0].ready.last_output}); "
        return Trouble(TroubleKind.ALL_UNREADY, f"{words}traffic: {policy}")
    if len(eligible) > 1 and all(is_erring(one.answered) for one in eligible):
        return Trouble(TroubleKind.ALL_ERRING, f"all {len(eligible)} instances answer errors")
    return None


def _long_unready(ready: Vitals, now: datetime) -> bool:
    failing = ready.verdict is Verdict.FAILING
    return failing and ready.since is not None and now - ready.since >= CONFIRM_ALL_UNREADY


def _env_words(missing: tuple[str, ...], blank: tuple[str, ...], bad: tuple[str, ...]) -> str:
    parts = [
        f"{label}: {', '.join(names)}"
        for label, names in (("missing", missing), ("blank", blank), ("unreadable", bad))
        if names
    ]
    return "environment is not complete; " + "; ".join(parts)


def _slot(world: World, spec: ServiceSpec, slot: Slot, around: tuple[datetime, Peers]) -> View:
    now, all_ = around
    target = slot_target(spec.name, slot)
    wanted = slot <= world.desired.get(spec.name, 0)
    there = world.of_slot(spec.name, slot)
    newest = next((seen for seen in there if not seen.stopped), None)
    if newest is None:
        return View(target=target, wanted=wanted, ended=world.failed_starts.get(target))
    instance = newest.instance
    failing = newest.live if newest.live.verdict is Verdict.FAILING else newest.ready
    age = now - instance.created
    return View(
        target=target,
        wanted=wanted,
        incarnation=instance.id if newest.running else "",
        ended=instance.exit,
        live=_CONDITIONS[newest.live.verdict],
        ready=_CONDITIONS[newest.ready.verdict],
        since=newest.ready.since,
        output=failing.last_output,
        silent=failing.silent,
        good_in_row=min(newest.live.streak.goods, newest.ready.streak.goods),
        ever_ready=newest.ready.ever_well,
        starting=_is_starting(newest, age, spec),
        requests=newest.answered.requests if newest.answered else 0,
        errors=newest.answered.errors if newest.answered else 0,
        erring=is_erring(newest.answered),
        peers=_others(all_, _tally(there)),
        noticed=_noticed(newest),
    )


def _is_starting(seen: InstanceSeen, age: timedelta, spec: ServiceSpec) -> bool:
    """It starts until both aspects were well once: one is asked before the other.

    An instance of which we only heard nothing for we were late ourselves gets some more time.
    """
    was_well = seen.ready.ever_well and seen.live.ever_well
    return not was_well and (age < spec.health.start_period or seen.ready.undecided)


def _noticed(seen: InstanceSeen) -> datetime | None:
    if seen.instance.exit is not None:
        return seen.noticed
    if seen.live.verdict is Verdict.FAILING:
        return seen.live.since
    if seen.ready.verdict is Verdict.FAILING:
        return seen.ready.since
    return seen.answered.at if seen.answered and is_erring(seen.answered) else None


def _tally(found: Iterable[InstanceSeen]) -> Peers:
    running = [seen for seen in found if seen.running]
    return Peers(
        count=len(running),
        ready=sum(1 for seen in running if seen.is_ready),
        erring=sum(1 for seen in running if is_erring(seen.answered)),
    )


def _others(all_: Peers, own: Peers) -> Peers:
    return Peers(all_.count - own.count, all_.ready - own.ready, all_.erring - own.erring)
