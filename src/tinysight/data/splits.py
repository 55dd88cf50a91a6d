"""Cutting a split off another: stratified, seeded, and the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinysight.errors import DataError

__all__ = ["cut", "quotas"]


def quotas(counts: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return how many records of each class a cut of `share` takes.

    The total is share x n, rounded half up, and at least 1. Each class gives the whole part of
    its own share; what is missing to the total is taken one by one in the order of the largest
    remainders, the lower class first. A class keeps at least one record, so one of a single
    record gives none.

    Raises:
        DataError: the classes have too few records for the total.

    >>> quotas(np.array([10, 10, 5]), 0.1).tolist()
    [1, 1, 1]
    """
    counts = np.asarray(counts, np.int64)
    n = int(counts.sum())
    total = max(1, int(np.floor(share * n + 0.5)))
    room = np.maximum(counts - 1, 0)
    if total > room.sum():
        raise DataError(
            f"{n} pictures of {int((counts > 0).sum())} classes are too few to cut {total} of them "
            f"off (a share of {share:g}): every class must keep one; add pictures"
        )
    # Rounded: in floats 23 x 0.1 has a larger remainder than 3 x 0.1, and alike go by class.
    exact = np.round(counts * share, 9)
    taken = np.minimum(np.floor(exact).astype(np.int64), room)
    while (missing := total - int(taken.sum())) > 0:
        free = np.flatnonzero(taken < room)
        largest = free[np.argsort(-(exact - taken)[free], kind="stable")]
        taken[largest[:missing]] += 1
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
    taken = quotas(np.bincount(labels, minlength=classes), share)
    # RandomState, because NEP 19 freezes its stream for good; default_rng's may change.
    words = [seed >> shift & 0xFFFFFFFF for shift in range(0, max(1, seed.bit_length()), 32)]
    order = np.random.RandomState(words).permutation(len(labels))
    off = np.zeros(len(labels), bool)
    for name in range(classes):
        off[order[labels[order] == name][: taken[name]]] = True
    return np.flatnonzero(~off), np.flatnonzero(off)
