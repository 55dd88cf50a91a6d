"""Which pictures are in which batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["order", "steps", "steps_in_all"]


def steps(n: int, batch_size: int) -> int:
    """Return the number of steps of an epoch over `n` pictures."""
    return -(-n // batch_size)


def steps_in_all(per_epoch: int, epochs: float) -> int:
    """Return the number of steps of a training, of which the last epoch may be cut short."""
    return max(1, math.ceil(round(epochs * per_epoch, 6)))  # 0.1 * 70 is a little over 7


def order(n: int, batch_size: int, *, seed: int, epoch: int) -> list[Tensor]:
    """Return the batches of an epoch: positions (int64), every picture once.

    A pure function of its arguments. The batches are as equal as can be, at most `batch_size`
    and never smaller by more than one, so that no batch statistic rests on a few left-over
    pictures.
    """
    generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + epoch) % 2**63)
    return list(torch.randperm(n, generator=generator).tensor_split(steps(n, batch_size)))
