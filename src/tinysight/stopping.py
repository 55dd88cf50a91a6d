"""How a command is stopped: SIGTERM is heard as Ctrl-C is, and said by its name."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["hearing_sigterm", "stopped_by"]


@contextmanager
def hearing_sigterm() -> Iterator[None]:
    """Let SIGTERM be raised as SIGINT is while entered, where a thread can hear signals at all.

    A handler that was not set from Python is left alone: it could not be put back.
    """
    alone = signal.getsignal(signal.SIGTERM) is None
    if alone or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:  # noqa: ARG001
        # No Exception, which an import or a library would take for an error of its own.
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stopped_by(error: BaseException) -> signal.Signals:
    """Return the signal by which an interruption came.

    >>> stopped_by(KeyboardInterrupt("SIGTERM")).name, stopped_by(KeyboardInterrupt()).name
    ('SIGTERM', 'SIGINT')
    """
    return signal.SIGTERM if "SIGTERM" in error.args else signal.SIGINT
