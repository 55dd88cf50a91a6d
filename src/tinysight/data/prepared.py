"""The source in canonical order, with digests and a name for what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinysight.data.canonical import CANONICAL, Canonical, recognise, recognise_pictures
from tinysight.data.dataset import SPLITS, without
from tinysight.data.fingerprint import canonical_order, combine, picture_digests, record_digests
from tinysight.data.labels import check_classes, check_labels
from tinysight.data.reading import Reading, Records
from tinysight.errors import DataError

__all__ = ["Part", "Prepared", "prepare"]


@dataclass(frozen=True, eq=False)
class Part:
    """One split of the source in canonical order.

    Attributes:
        digests: uint8 n 32, of the records; `pictures` the same without the labels.
    """

    images: Tensor
    labels: Tensor
    digests: Tensor
    pictures: Tensor
    files: tuple[str, ...] = ()
    masks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A source that only has to be cut into splits; what the cache holds.

    `title` is "" where nothing but the name and the counts can be said.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    parts: dict[str, Part]
    fingerprints: dict[str, str]
    source: dict[str, Any]
    notes: tuple[str, ...]
    mirror: bool


def prepare(reading: Reading) -> Prepared:
    """Put a reading into canonical order and say what it is.

    Raises:
        DataError: see `labels.check_classes` and `labels.check_labels`; or a split without
            pictures.
    """
    check_classes(reading.classes)
    labels = {split: records.labels for split, records in reading.splits.items()}
    for split, values in labels.items():
        if not len(values):
            raise DataError(
                f"{split} has no pictures left; nothing in it could be read: mend its files or "
                "remove it"
            )
    has = check_labels(labels, reading.classes)
    parts = {s: _ordered(reading.splits[s]) for s in SPLITS if s in reading.splits}
    prints = {split: combine(part.digests.numpy()) for split, part in parts.items()}
    notes = list(reading.notes)
    classes, name, title = reading.classes, reading.name, reading.title
    if match := recognise(prints):
        known, splits = match
        title = _title(known, splits, parts)
        if set(splits) == set(known.records) == set(parts):
            name = known.name
        if reading.numbered and len(classes) == len(known.classes):
            classes = known.classes
    elif found := _same_pictures(parts):
        for known in found:
            if classes != known.classes and set(classes) == set(known.classes):
                # The right names in another order: with the canonical one it may be the real thing.
                return prepare(_reordered(reading, known.classes))
        known = found[0]
        title = f"the pictures of {known.title} with other labels"
        notes.append(
            f"the pictures are those of {known.title}, the labels are not: lost, changed, or in "
            "another order"
        )
    for split in parts:
        # What train lacks, no other has either.
        wanted = np.ones(len(classes), bool) if split == "train" else has["train"]
        if absent := [classes[i] for i in np.flatnonzero(wanted & ~has[split])]:
            notes.append(without(split, absent))
    return Prepared(
        name, title, classes, parts, prints, reading.source, tuple(notes), reading.mirror
    )


def _ordered(records: Records) -> Part:
    digests = record_digests(records.images, records.labels)
    order = canonical_order(digests, records.files)
    images = records.images[order]
    return Part(
        torch.from_numpy(images),
        torch.from_numpy(records.labels[order]),
        torch.from_numpy(digests[order]),
        torch.from_numpy(picture_digests(images)),
        tuple(records.files[i] for i in order) if records.files else (),
        None if records.masks is None else torch.from_numpy(records.masks[order]),
    )


def _title(known: Canonical, splits: tuple[str, ...], parts: Mapping[str, Part]) -> str:
    if set(splits) == set(known.records) == set(parts):
        return f"canonical {known.title}, all {sum(known.sizes.values()):,} pictures"
    which = " and ".join(f"{known.sizes[s]:,} {s}" for s in splits)
    others = [s for s in parts if s not in splits]
    rest = f"; {' and '.join(others)} not canonical" if others else ""
    return f"canonical {known.title}, the {which} pictures alone{rest}"


def _same_pictures(parts: Mapping[str, Part]) -> list[Canonical]:
    """The data sets whose pictures these are; only counts and shapes that fit are looked at."""
    able = {
        split: combine(part.pictures.numpy())
        for split, part in parts.items()
        if any(
            len(part) == known.sizes.get(split) and part.images.shape[1:] == known.shape
            for known in CANONICAL.values()
        )
    }
    return recognise_pictures(able)


def _reordered(reading: Reading, classes: tuple[str, ...]) -> Reading:
    """The same with its classes in another order."""
    new = np.array([classes.index(name) for name in reading.classes], np.int64)
    splits = {s: replace(r, labels=new[r.labels]) for s, r in reading.splits.items()}
    return replace(reading, classes=classes, splits=splits)
