"""Which device to compute on, and its random state left as found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tinysight.errors import UsageError

__all__ = ["DEVICES", "choose_device", "repeatable"]

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to compute on; `auto` takes cuda, then mps, then the CPU.

    Raises:
        UsageError: no such device name, or none of that kind here.
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, found in here.items() if found))
    if name not in here:
        raise UsageError(f"device must be one of {', '.join(DEVICES)}, got {name!r}")
    if not here[name]:
        raise UsageError(
            f"device {name} was asked for, but torch finds none here; use --device auto"
        )
    return torch.device(name)


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Let equal work on `device` give equal numbers while entered; leave everything as found.

    The random generators, which may be seeded inside, get their states back. cuDNN takes its
    deterministic kernels, and none by a race of them against each other.
    """
    cudnn = torch.backends.cudnn
    found = cudnn.deterministic, cudnn.benchmark
    state = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            if device.type == "cuda":
                cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = found
            if state is not None:
                torch.mps.set_rng_state(state)
