"""Sources that know their classes by number: names for them, and their pictures decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinysight.data.labels import check_classes, check_labels
from tinysight.data.readers.decoding import Decoded, Stream, decode_all
from tinysight.data.reading import Options, Records
from tinysight.errors import DataError

__all__ = ["Numbered", "class_names", "decode_numbered"]


@dataclass(frozen=True, eq=False)
class Numbered:
    """Pictures of numbered classes, decoded; `classes`, `numbered`, `splits` as in `Reading`."""

    classes: tuple[str, ...]
    numbered: bool
    splits: dict[str, Records]
    decoded: Decoded


def decode_numbered(
    streams: Mapping[str, Stream],
    labels: Mapping[str, NDArray[np.int64]],
    where: str,
    options: Options,
    *,
    own: tuple[str, ...] | None = None,
    given: tuple[str, ...] | None = None,
) -> Numbered:
    """Name the classes, check the labels, and decode the pictures.

    Args:
        streams: the pictures of each split.
        labels, where, own, given: as `class_names` takes them.

    Raises:
        DataError: as `class_names`, `check_classes`, `check_labels` and `decode_all`.
    """
    classes, numbered = class_names(labels, where, own=own, given=given)
    check_classes(classes)
    check_labels(labels, classes)
    decoded = decode_all(
        streams, options.settings.size, skip_bad=options.skip_bad, progress=options.progress
    )
    splits = {
        split: Records(images, labels[split][decoded.positions[split]])
        for split, images in decoded.images.items()
    }
    return Numbered(classes, numbered, splits, decoded)


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
        raise DataError(f"{where} names its {len(own)} classes itself; leave classes out")
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
