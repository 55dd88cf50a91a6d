"""What readers are asked and hand over: a source's splits, as they were found."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinysight.recipe import Data

__all__ = ["SPLIT_NAMES", "Options", "Progress", "Reader", "Reading", "Records", "Stamp", "stamp"]

Progress = Callable[[int, int], object]
Stamp = tuple[int, int, int]  # size, mtime_ns, ctime_ns

# How folders, files and dicts call the splits.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, eq=False)
class Records:
    """One split as read: uint8 images `n h w c`, int64 labels, file names and masks if any."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    files: tuple[str, ...] = ()
    masks: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """A source as read.

    Attributes:
        name: short, fit for a folder name.
        title: for people; "" where only the name and the counts can be said.
        classes: names in the order of the labels.
        splits: "train" at least; one shape in all of them.
        source: plain JSON values; what was read, and how it was found to be.
        numbered: whether the class names are mere numbers made up for want of names.
    """

    name: str
    classes: tuple[str, ...]
    splits: dict[str, Records]
    source: dict[str, Any]
    notes: tuple[str, ...] = ()
    title: str = ""
    mirror: bool = True
    numbered: bool = False


@dataclass(frozen=True)
class Options:
    """How to read: the settings of the recipe, and what is no part of it.

    Attributes:
        classes: names for labels that have none in the source.
        skip_bad: leave unreadable pictures out rather than refuse the data set.
        progress: called with the number of pictures done and the number of all.
    """

    settings: Data
    classes: tuple[str, ...] | None = None
    skip_bad: bool = False
    progress: Progress | None = None


class Reader(Protocol):
    """A source that was found and can be read."""

    def identity(self) -> list[Any]:
        """Return plain values that change when the source does, without decoding it."""
        ...

    def read(self, options: Options) -> Reading:
        """Decode the source."""
        ...


def stamp(stat: os.stat_result) -> Stamp:
    """Return what changes when a file does, for the identity of a source.

    Whoever writes a file can set its mtime back, but not its ctime on POSIX. That one also changes
    with a file's rights, its name or a hard link to it; then the file is merely read once more.
    Windows has the time of creation there, which says nothing but does no harm.
    """
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
