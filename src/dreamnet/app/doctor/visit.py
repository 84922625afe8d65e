"""One visit of the doctor: look at everything, judge everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dreamnet.app.doctor.doors import judge_doors
from dreamnet.app.doctor.finding import Finding, fail
from dreamnet.app.doctor.folder import judge_folder
from dreamnet.app.doctor.look.doors import look_at_door
from dreamnet.app.doctor.look.folder import look_at_folder
from dreamnet.app.doctor.look.machine import look_at_gateway_program, look_at_machine
from dreamnet.app.doctor.look.parts import look_at_parts
from dreamnet.app.doctor.look.settings import look_at_settings
from dreamnet.app.doctor.look.store import look_at_store
from dreamnet.app.doctor.machine import judge_machine, judge_program
from dreamnet.app.doctor.parts import judge_parts
from dreamnet.app.doctor.settings import judge_settings
from dreamnet.app.doctor.store import judge_store
from dreamnet.app.remains import GATEWAY, Remains, look
from dreamnet.app.site import Site, site_of
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Complaint, ConfigError
from dreamnet.model.settings import Settings


def visit(file: Path | None, problem: Complaint | None = None) -> Iterator[Finding]:
    """Yield what was found of the node of `file`; of the machine alone when there is no file.

    `problem` is why there is none. Works without a node, beside one, and with wrong settings.
    """
    read = look_at_settings(file) if file is not None else None
    settings = read.settings if read is not None else None
    yield from judge_machine(look_at_machine(), _instances(settings))
    yield judge_program(look_at_gateway_program())
    if problem is not None:
        yield fail("settings", problem.what, problem.where, problem.mend)
    if file is None or read is None:
        return
    yield from judge_settings(read.facts)
    try:
        site = site_of(file)
    except ConfigError:
        return  # its complaints are among the settings' already
    yield from _of_site(site, settings)


def _of_site(site: Site, settings: Settings | None) -> Iterator[Finding]:
    remains = look(site.data.path)
    yield from judge_folder(look_at_folder(site.data.path, SystemClock()))
    yield from judge_store(look_at_store(site))
    if settings is not None:
        yield from _of_doors(settings, remains)
    gateway = settings.gateway.listen if settings is not None else None
    yield from judge_parts(look_at_parts(site.data.path, remains, gateway))


def _of_doors(settings: Settings, remains: Remains) -> Iterator[Finding]:
    api = look_at_door("api", settings.node.listen, remains.node)
    gateway = look_at_door("gateway", settings.gateway.listen, remains.served.get(GATEWAY))
    yield from judge_doors((api, gateway))


def _instances(settings: Settings | None) -> int:
    """Return how many instances are configured to run."""
    if settings is None:
        return 1
    return sum(spec.replicas.min for spec in settings.services.values())
