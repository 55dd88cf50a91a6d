"""How recipes adapt to the number of training pictures."""

from __future__ import annotations

import math

from tinysight.recipe import Facts

__all__ = ["batch_size", "epochs"]

CIFAR = 45_000  # its training pictures, beside 5,000 for validation
STEPS = 20  # an epoch, at least


def epochs(facts: Facts, cifar: int) -> int:
    """Return `cifar` epochs for CIFAR's 45,000 pictures, up to five times as many for fewer.

    The work grows as the root of the number of pictures; 3 epochs at least.
    """
    return max(3, min(5 * cifar, round(cifar * math.sqrt(CIFAR / facts.pictures))))


def batch_size(facts: Facts, most: int) -> int:
    """Return `most`, or for a small set the half, quarter, ... that leaves 20 steps or more.

    At least 16, but never more than there are training pictures.
    """
    found = most
    while found > 16 and facts.pictures < STEPS * found:
        found = max(16, found // 2)
    return min(found, facts.pictures)
