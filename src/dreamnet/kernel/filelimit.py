"""How many files may be open: DreamNet takes all it may, what it starts for others gets no more.

Each instance holds a file handle of the node, so the usual soft limit of 1,024 is too low. It stays
right for services: some size a table by it, or close every possible handle one by one.
"""

from __future__ import annotations

import contextlib
import resource

from dreamnet.kernel.environ import variable

FILE_LIMIT_VARIABLE = "DREAMNET_FILE_LIMIT"
_MOST = 1_048_576  # what Linux grants at most unless told otherwise; "unlimited" is refused


def raise_file_limit() -> int:
    """Raise this process's soft limit to its hard one; return what it was before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return soft


def file_limit_of_services() -> int | None:
    """Return the soft limit that DreamNet was started with; None: it never raised its own."""
    told = variable(FILE_LIMIT_VARIABLE)
    return int(told) if told.isdecimal() else None


def give_back_file_limit(pid: int) -> None:
    """Set a child that was just started to the soft limit that DreamNet was started with.

    Linux only; elsewhere, and for a child that is gone already, nothing happens.
    """
    soft = file_limit_of_services()
    if soft is None or not hasattr(resource, "prlimit"):
        return
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
