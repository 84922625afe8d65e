"""Lets SIGTERM be seen in readiness for a while before the server acts on it."""

from __future__ import annotations

import _thread
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

_log = logging.getLogger("dreamnet.health")

Handler = Callable[[int, FrameType | None], object]


class SigtermDrain:
    """A SIGTERM handler that reports draining, waits `delay` seconds, then calls the former one.

    A second SIGTERM within the delay is passed on at once.
    """

    def __init__(self, delay: float, on_drain: Callable[[], None]) -> None:
        self._delay = delay
        self._on_drain = on_drain
        self._former: Handler | signal.Handlers | None = None
        self._installed = False
        self._draining = False
        self._passed_on = False

    def install(self) -> None:
        """Take SIGTERM over, once; outside the main thread only a warning is logged."""
        if self._installed:
            return
        self._installed = True
        if threading.current_thread() is not threading.main_thread():
            _log.warning("drain_on_sigterm has no effect: the server runs outside the main thread")
            return
        self._former = _python_handler()
        if self._former is None:
            _log.warning("drain_on_sigterm has no effect: SIGTERM is not handled by Python")
            return
        if _acts_by_itself(self._former):
            _log.warning("drain_on_sigterm cannot delay a handler added by loop.add_signal_handler")
        signal.signal(signal.SIGTERM, self._handle)

    def uninstall(self) -> None:
        """Give SIGTERM back, unless somebody else took it since."""
        if self._former is not None and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._former)
        self._installed = self._draining = self._passed_on = False
        self._former = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._draining:
            self._pass_on(number, frame)
            return
        self._draining = True
        self._on_drain()
        if not _acts_by_itself(self._former):
            # Not threading.Thread: it takes locks that the interrupted code may hold.
            _thread.start_new_thread(self._signal_again, ())

    def _signal_again(self) -> None:
        """Raise SIGTERM anew: the former handler runs in the main thread, loop hung or not."""
        time.sleep(self._delay)
        if self._draining and not self._passed_on:
            os.kill(os.getpid(), signal.SIGTERM)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._passed_on = True
        former = self._former
        if callable(former):
            former(number, frame)
        elif former is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)


def _python_handler() -> Handler | signal.Handlers | None:
    """Return the present handler, or None if it was not set from Python and cannot be called."""
    former = signal.getsignal(signal.SIGTERM)
    if callable(former) or isinstance(former, signal.Handlers):
        return former
    return None


def _acts_by_itself(former: object) -> bool:
    """Tell a handler of `loop.add_signal_handler`: a file descriptor wakes its loop."""
    module = getattr(former, "__module__", None) or ""
    return module.startswith(("asyncio.", "uvloop."))
