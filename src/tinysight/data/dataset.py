"""What a data set is, once it is read: uint8 pictures, labels and where they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from tinysight.pictures.formats import printable, sized
from tinysight.recipe import Data

__all__ = ["SPLITS", "DataSet", "Split", "quoted", "without"]

SPLITS = ("train", "validation", "test")
NAMED = 10  # classes that a message names


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set, in canonical order (ascending record digest).

    Attributes:
        images: uint8, n h w c, c of 1 (grey) or 3 (RGB).
        labels: int64, n.
        ids: n names that do not depend on the container: the first 16 hex digits of each
            record's digest (an exact duplicate with the same label shares it).
        files: n file names, where the container has names; else empty.
        masks: bool, n h w, true on the object; only the data sets that know have them.
    """

    images: Tensor
    labels: Tensor
    ids: tuple[str, ...]
    files: tuple[str, ...] = ()
    masks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split of {len(self):,} pictures of {sized(self.images.shape[1:])}"

    @property
    def digest(self) -> str:
        """A sha256 of the records and their order: equal for equal splits alone."""
        return hashlib.sha256("\n".join(self.ids).encode()).hexdigest()

    def take(self, index: Tensor) -> Split:
        """Return the records at the positions `index` (int64, m), in that order."""
        at = index.tolist()
        return Split(
            self.images.index_select(0, index),  # 80 ms for CIFAR-10; images[index] takes 140
            self.labels[index],
            tuple(self.ids[i] for i in at),
            tuple(self.files[i] for i in at) if self.files else (),
            None if self.masks is None else self.masks[index],
        )

    def joined(self, other: Split) -> Split:
        """Return the records of this split and, behind them, of another."""
        masks = None
        if self.masks is not None and other.masks is not None:
            masks = torch.cat([self.masks, other.masks])
        return Split(
            torch.cat([self.images, other.images]),
            torch.cat([self.labels, other.labels]),
            self.ids + other.ids,
            self.files + other.files,
            masks,
        )

    def counts(self, classes: int) -> list[int]:
        """Return the number of records of each class."""
        return torch.bincount(self.labels, minlength=classes).tolist()


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set with its splits.

    Attributes:
        name: short, fit for a folder name, e.g. `cifar10`.
        classes: the class names; a label is a position in it.
        train, validation, test: `validation` is cut from train unless the source has one;
            `test` is None where the source has none and none was asked for.
        fingerprints: sha256 of each split of the *source* (train includes what became
            validation), equal for equal content whatever the container; see
            `data.fingerprint`.
        title: one phrase for people, e.g. "canonical CIFAR-10, all 60,000 pictures".
        settings: how it was brought to one size and cut.
        source: plain JSON values: what was read, from where, and how (for data.json).
        mirror: whether a left-right mirrored picture keeps its class; digits do not.
        notes: what the reader did that the user should know: resized, skipped, duplicates.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split | None
    fingerprints: dict[str, str]
    title: str
    settings: Data = field(default_factory=Data)
    source: dict[str, Any] = field(default_factory=dict)
    mirror: bool = True
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parts = {name: part for name in SPLITS if (part := self.split(name)) is not None}
        counts = ", ".join(f"{name} {len(part):,}" for name, part in parts.items())
        size, classes = sized(self.shape), quoted(self.classes, 3)
        return (
            f"DataSet {printable(self.name)!r}: {counts}; pictures of {size}, "
            f"{len(self.classes)} classes: {classes}"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every picture."""
        h, w, c = self.train.images.shape[1:]
        return h, w, c

    def split(self, name: str) -> Split | None:
        """Return the split called `name`, one of SPLITS."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def with_splits(self, **splits: Split | None) -> DataSet:
        """Return a copy with some splits replaced.

        It is no longer what its source is: the source's fingerprints and address are dropped.
        """
        kept = {k: v for k, v in self.source.items() if k not in ("origin", "options")}
        changed: dict[str, Any] = {"title": f"{self.title}, altered", "fingerprints": {}}
        return replace(self, source=kept, **changed, **splits)


def quoted(names: Sequence[str], most: int = NAMED) -> str:
    """Return names for a message: quoted, safe to print, no more than `most`.

    >>> quoted(["cat", "dog", "cow"], 2)
    "'cat', 'dog' and 1 more"
    """
    shown = ", ".join(printable(repr(name), 42) for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


def without(split: str, classes: Sequence[str]) -> str:
    """Return a note: a split has no picture of these classes.

    >>> without("test", ["cat", "dog"])
    "test has no picture of 2 classes: 'cat', 'dog'"
    """
    n = len(classes)
    return f"{split} has no picture of {n:,} class{'es' * (n != 1)}: {quoted(classes)}"
