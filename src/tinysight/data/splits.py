"""Cutting a split off another: stratified, seeded, and the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinysight.errors import DataError

__all__ = ["cut", "quotas"]


# Sets the draw that breaks ties apart from the draw of the records, which has the seed alone.
TIES = 0x71E5


def quotas(counts: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Return how many records of each class a cut of `share` takes.

    The total is share x n, rounded half up, and at least 1. Each class gives the whole part of
    its own share; what is missing to the total is taken one by one in the order of the largest
    remainders. Which of equal remainders comes first is drawn with the seed: of 100 classes with
    5 records, a tenth has one of 50 classes, and not always of the first 50. A class keeps at
    least one record, so one of a single record gives none.

    Raises:
        DataError: the classes have too few records for the total.

    >>> quotas(np.array([10, 10, 5]), 0.1, seed=0).tolist()
    [1, 1, 1]
    >>> [quotas(np.array([5, 5, 5, 5]), 0.1, seed).tolist() for seed in (0, 1)]
    [[0, 1, 0, 1], [1, 1, 0, 0]]
    """
    counts = np.asarray(counts, np.int64)
    n = int(counts.sum())
    total = max(1, int(np.floor(share * n + 0.5)))
    room = np.maximum(counts - 1, 0)
    if total > room.sum():
        raise DataError(
            f"{n} pictures of {int((counts > 0).sum())} classes are too few to cut {total} of them "
            f"off (a share of {share:g}): every class must keep one; add pictures, "
            "or lower the share"
        )
    lots = _random(TIES, seed).permutation(len(counts))
    exact = np.round(counts * share, 9)
    taken = np.minimum(np.floor(exact).astype(np.int64), room)
    while (missing := total - int(taken.sum())) > 0:
        free = np.flatnonzero(taken < room)
        # Rounded: 23 x 0.1 and 3 x 0.1 leave remainders that are alike, though not in floats.
        remainders = np.round(exact - taken, 9)[free]
        taken[free[np.lexsort((lots[free], -remainders))][:missing]] += 1
    return taken


def cut(
    labels: NDArray[np.int64], classes: int, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions that stay and those that are cut off, both ascending.

    A pure function of the labels in their order, the share and the seed; see `quotas`.

    Raises:
        DataError: there are too few records.
    """
    labels = np.asarray(labels, np.int64)
    counts = np.bincount(labels, minlength=classes)
    order = _random(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    off = np.zeros(len(labels), bool)
    starts = np.cumsum(counts) - counts
    for start, taken in zip(starts, quotas(counts, share, seed), strict=True):
        off[by_class[start : start + taken]] = True
    return np.flatnonzero(~off), np.flatnonzero(off)


def _random(*numbers: int) -> np.random.RandomState:
    """A generator for these numbers from 0; 32 bits a word."""
    words = [
        number >> shift & 0xFFFFFFFF
        for number in numbers
        for shift in range(0, max(1, number.bit_length()), 32)
    ]
    # RandomState, because NEP 19 freezes its stream for good; default_rng's may change.
    return np.random.RandomState(words)
