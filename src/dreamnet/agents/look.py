"""One look at everything: what DreamKeeper judges in one tick."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

from dreamnet.agents.views import views_of
from dreamnet.agents.world import World
from dreamnet.domain.dreams.diagnosis import Symptom, diagnose
from dreamnet.domain.dreams.dream import Dream
from dreamnet.domain.dreams.storm import is_held, overload, silence_of
from dreamnet.domain.dreams.view import View
from dreamnet.model.cases import CaseId

_NODE = "node"


@dataclass
class Look:
    """Views and symptoms by target at one instant; `dreams` follows the tick's own steps."""

    now: datetime
    views: dict[str, View]
    symptoms: dict[str, Symptom | None]
    is_overloaded: bool
    dreams: dict[CaseId, Dream] = field(default_factory=dict)

    def holds(self, dream: Dream) -> bool:
        """Return whether a dream's remedy has to wait for that of another one."""
        return self.is_overloaded and is_held(dream, self.dreams.values())


def look_at(world: World, now: datetime) -> Look:
    """Return what is seen now, with an overload of the machine as the node's own trouble."""
    views = views_of(world, now)
    symptoms = {target: diagnose(view, now) for target, view in views.items()}
    found = (silence_of(view, symptoms[target]) for target, view in views.items())
    silences = [silence for silence in found if silence is not None]
    running: Counter[str] = Counter(
        seen.instance.service for seen in world.instances.values() if seen.running
    )
    trouble = overload(silences, running) if silences else None
    if trouble is not None and views[_NODE].trouble is None:
        views[_NODE] = replace(views[_NODE], trouble=trouble, noticed=now)
        symptoms[_NODE] = diagnose(views[_NODE], now)
    return Look(now, views, symptoms, is_overloaded=trouble is not None)
