"""Wait for another process that fetches the same file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["alone"]

POLL = 0.2  # seconds between two looks at the part of a process that holds the lock


@contextlib.contextmanager
def alone(
    target: Path, look: Callable[[], int], *, idle: float, say: Callable[[str], object]
) -> Iterator[bool]:
    """Enter once no other process fetches the file, or the one that does no longer gets on.

    Gives whether this process has the lock, and so is alone as far as locks work.

    Args:
        target: the file; its lock stands beside it, as `<name>.lock`.
        look: returns the bytes that the other process has brought.
        idle: seconds without a further byte after which it is worked beside.
        say: called with a line when that is so.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f"{target.name}.lock"))
    seen, since = -1, time.monotonic()
    while not lock.is_locked:
        try:
            lock.acquire(timeout=POLL)
        except Timeout:
            there = look()
            if there != seen:
                seen, since = there, time.monotonic()
            elif time.monotonic() - since > idle:
                say("another process fetches it and does not get on; going on beside it")
                break
        except (OSError, NotImplementedError):  # a file system without locks
            break
    try:
        yield lock.is_locked
    finally:
        lock.release()
