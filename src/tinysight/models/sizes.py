"""How a network adapts to the size of the pictures.

Up to 40 pixels the trunk sees the picture as it is. A larger one is first halved by convolutions of
stride 2 until its longer side is at most 40. A small one keeps only the last of the trunk's
halvings: the end of the trunk, where the wide layers stand, then works at about the size that it
has for 32 pixels. No halving of either kind leaves a side with fewer than 3 pixels; the stem of
`speednet`, whose patches are twice as wide as its stride, then takes one or two off.
"""

from __future__ import annotations

__all__ = ["halvings", "last"]

LARGEST = 40
SMALLEST = 3


def halvings(shape: tuple[int, int, int], wanted: int) -> tuple[int, int]:
    """Return how many halvings stand before the trunk, and how many of the `wanted` ones in it."""
    short, long = sorted(shape[:2])
    steps = kept = 0
    while long > LARGEST and (short + 1) // 2 >= SMALLEST:
        short, long, steps = (short + 1) // 2, (long + 1) // 2, steps + 1
    while kept < wanted and short // 2 >= SMALLEST:
        short, kept = short // 2, kept + 1
    return steps, kept


def last(kept: int, wanted: int) -> list[bool]:
    """Return which of the trunk's halvings stay: the last ones."""
    return [i >= wanted - kept for i in range(wanted)]
