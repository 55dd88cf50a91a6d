"""Names for classes that a source knows by number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tinysight.errors import DataError

__all__ = ["class_names"]


def class_names(
    labels: Mapping[str, NDArray[np.int64]],
    where: str,
    *,
    own: tuple[str, ...] | None = None,
    given: tuple[str, ...] | None = None,
) -> tuple[tuple[str, ...], bool]:
    """Return the names of the classes, and whether they are mere numbers.

    Args:
        labels: of each split, from 0.
        where: the source, for messages.
        own: the names that the source has.
        given: the names that the user gives.

    Raises:
        DataError: names were given beside other ones of the source, a label has no name, or the
            labels are no numbers of classes.

    >>> class_names({"train": np.array([0, 2, 1])}, "x.npz")
    (('0', '1', '2'), True)
    """
    if own and given and own != given:
        raise DataError(f"{where} names its {len(own)} classes itself; leave classes away")
    names = own or given
    n = sum(map(len, labels.values()))
    for split, values in labels.items():
        if not len(values):
            continue
        at = int(values.argmax())
        top = int(values[at])
        if names and top >= len(names):
            raise DataError(
                f"{where}: label {top:,} of {split} record {at:,} is out of range for "
                f"{len(names)} classes, 0 to {len(names) - 1}"
            )
        if not names and top >= n:
            raise DataError(
                f"{where}: label {top:,} of {split} record {at:,} is out of range: {n:,} pictures "
                "cannot have so many classes; number them 0, 1, 2 … or give their names as classes "
                "(--classes)"
            )
    if names:
        return names, False
    return tuple(map(str, range(1 + max(int(v.max(initial=0)) for v in labels.values())))), True
