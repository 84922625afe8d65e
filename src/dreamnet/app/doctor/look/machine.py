"""Looks at the machine and at the gateway's program."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys

import psutil

from dreamnet.app.doctor.machine import Machine, Program
from dreamnet.drivers.gateway.commands import envoy_path
from dreamnet.kernel.errors import Conflict
from dreamnet.kernel.processes import HAS_PROC, current_boot_id, open_handle

_RUN_LIMIT_S = 20.0


def look_at_machine() -> Machine:
    """Return what this process may use, and which features its kernel has."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        python=sys.version_info[:3],
        system=platform.system(),
        missing=_missing(),
        files=soft if soft != resource.RLIM_INFINITY else sys.maxsize,
        memory=psutil.virtual_memory().available,
    )


def _missing() -> tuple[str, ...]:
    handle = open_handle(os.getpid())
    if handle is not None:
        os.close(handle)
    seen = {"pidfd": handle is not None, "/proc": HAS_PROC, "a boot id": bool(current_boot_id())}
    return tuple(name for name, is_there in seen.items() if not is_there)


def look_at_gateway_program() -> Program:
    """Run the gateway's program for its version."""
    try:
        return look_at_program(envoy_path())
    except Conflict as error:
        return Program("", problem=error.complaints[0].what)


def look_at_program(path: str) -> Program:
    """Run a program for its version."""
    glibc = _glibc()
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, timeout=_RUN_LIMIT_S, check=False
        )
    except OSError as error:
        return Program(path, problem=f"it cannot be run: {error.strerror}", glibc=glibc)
    except subprocess.TimeoutExpired:
        return Program(path, problem=f"no answer within {_RUN_LIMIT_S:g} s", glibc=glibc)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing said"]
        problem = f"it ended with {done.returncode}: {said[0]}"
        return Program(path, problem=problem, glibc=glibc)
    return Program(path, version=_version(done.stdout.decode(errors="replace")), glibc=glibc)


def _version(said: str) -> str:
    """Return the number in `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`."""
    parts = said.rpartition("version:")[2].split("/")
    return parts[1] if len(parts) > 1 else said.strip()


def _glibc() -> tuple[int, ...]:
    name, version = platform.libc_ver()
    return tuple(int(part) for part in version.split(".")) if name == "glibc" else ()
