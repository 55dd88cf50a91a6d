"""This process: how long it runs, how large it has grown, and how it holds its memory."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Shared", "holding_memory", "peak_memory", "process_seconds"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of mallopt(3)
ALLOCATOR = (
    "GLIBC_TUNABLES",
    "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
)


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes; 0 where unknown.

    On Linux by VmHWM: what getrusage says there begins with the size of the process that started
    this one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def process_seconds() -> float | None:
    """Return how long this process has been running, in seconds; None where that is unknown.

    On Linux by the time at which the kernel started it, in ticks since boot: see proc(5).
    """
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        # The second field is the program's name in brackets, which may hold blanks and brackets.
        ticks = int(stat.rpartition(")")[2].split()[19])
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        return max(0.0, now - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, IndexError, ValueError, AttributeError):  # AttributeError: no such clock here
        return None


@contextmanager
def holding_memory() -> Iterator[None]:
    """Keep freed memory in the process while entered, on glibc; elsewhere nothing is changed.

    glibc gives every block over 32 MB back to the kernel when it is freed. The maps of a large
    batch are such blocks, and each of their pages is then mapped and zeroed anew in every step. It
    may be entered several times, and in several threads: the last to leave gives back.

    Setting its limits ends glibc's own adjusting of them for good, so that they are left where
    that would end, and not where it starts. Where the environment sets them, they are left alone.
    """
    if any(name in os.environ for name in ALLOCATOR):
        yield
        return
    try:
        libc = ctypes.CDLL(None)
        set_option, trim = libc.mallopt, libc.malloc_trim
    except (OSError, TypeError, AttributeError):  # TypeError: Windows wants a name
        yield
        return

    def hold() -> Callable[[], None]:
        set_option(M_MMAP_MAX, 0)
        set_option(M_TRIM_THRESHOLD, 2**31 - 1)
        return give_back

    def give_back() -> None:
        set_option(M_MMAP_MAX, 65_536)
        set_option(M_MMAP_THRESHOLD, 2**25)
        set_option(M_TRIM_THRESHOLD, 2**26)
        trim(0)

    with _allocator.entered(hold):
        yield


class Shared:
    """What the process has one of: the first to enter changes it, the last to leave undoes that.

    From several threads, too, and one within another.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._undo: Callable[[], None] = lambda: None

    @contextmanager
    def entered(self, change: Callable[[], Callable[[], None]]) -> Iterator[None]:
        """Be inside; `change` is called for the first alone and returns what undoes it."""
        with self._lock:
            if not self._inside:
                self._undo = change()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._undo()


_allocator = Shared()
