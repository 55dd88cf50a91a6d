"""How many threads to compute on, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["Threads", "choose_threads", "using"]

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Threads:
    """How many threads torch computes on, and why."""

    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.count} thread{'s' if self.count > 1 else ''}: {self.why}"


def choose_threads() -> Threads:
    """Return torch's own number, but no more than this process may use processors.

    torch counts the machine's cores. In a container that may use two of 64 it would start 64
    threads, which then wait for each other.
    """
    found = torch.get_num_threads()
    if "OMP_NUM_THREADS" in os.environ:
        return Threads(found, "OMP_NUM_THREADS asks for it")
    allowed = _allowed_processors()
    if allowed < found:
        return Threads(allowed, f"this process may use so many of {os.cpu_count()} processors")
    return Threads(found, "as torch has it")


@contextmanager
def using(threads: Threads) -> Iterator[None]:
    """Let torch compute on so many threads while entered."""
    found = torch.get_num_threads()
    torch.set_num_threads(threads.count)
    try:
        yield
    finally:
        torch.set_num_threads(found)


def _allowed_processors() -> int:
    """How many processors the scheduler and the control group let this process use, at least 1."""
    counts = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):  # Linux
        counts.append(len(os.sched_getaffinity(0)))
    # Version 2 has quota and period in one file, version 1 in two: see cgroups(7).
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            words = [word for name in names for word in (CGROUP / name).read_text().split()]
            quota, period = map(int, words)  # "max", or -1, is no limit
            counts += [quota // period] if quota > 0 else []
    return max(1, min(counts))
