"""Lets the wall clock of root and node be wrong by the seconds in a file; Python imports it first.

Under Debian's faketime event loops stalled for seconds; here only the two places are changed where
DreamNet and its libraries read wall time.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from dreamnet.kernel.clock import SystemClock

_file = Path(os.environ["CHAOS_JUMP"])
_real = time.time


def _jumped() -> float:
    return _real() + float(_file.read_text() or 0)


def _now(_: SystemClock) -> datetime:
    return datetime.fromtimestamp(_jumped(), UTC)


time.time = _jumped
SystemClock.now = _now
