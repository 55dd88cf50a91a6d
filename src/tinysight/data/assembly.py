"""From a prepared source to a DataSet: the splits cut, the records named, what matters said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from tinysight.data.dataset import DataSet, Split, without
from tinysight.data.fingerprint import combine, rows
from tinysight.data.prepared import Part, Prepared
from tinysight.data.splits import cut
from tinysight.pictures.formats import printable
from tinysight.recipe import Data

Positions = NDArray[np.int64] | None  # none: all of them

__all__ = ["assemble"]


def assemble(
    prepared: Prepared, settings: Data, *, name: str | None = None, notes: tuple[str, ...] = ()
) -> DataSet:
    """Cut what the source does not have itself: a test split, then validation from train.

    Raises:
        DataError: there are too few pictures to cut a split off.
    """
    own, classes, seed = prepared.parts, len(prepared.classes), settings.split_seed
    said = [*notes, *prepared.notes]
    prints = dict(prepared.fingerprints)
    whole = own["train"]
    labels, digests = whole.labels.numpy(), whole.digests.numpy()
    # Where each split's records stand: in which part of the source, at which positions.
    places: dict[str, tuple[Part, Positions]] = {split: (part, None) for split, part in own.items()}
    train: NDArray[np.int64] = np.arange(len(whole))
    if "test" not in own:
        train, test = cut(labels, classes, settings.test_share, seed)
        places["train"], places["test"] = (whole, train), (whole, test)
        found = {"train": combine(digests[train]), "test": combine(digests[test])}
        prints = prints | found | {"all": prints["train"]}
        said.append(
            f"the source has no test split: {len(test):,} of its {len(whole):,} pictures were cut "
            f"off ({settings.test_share:.0%}, stratified, split_seed {seed})"
        )
        said += _lost("test", labels, labels[test], prepared.classes)
    said += _also_in_train(places)
    if "validation" in own:
        said.append(f"validation is the source's own, {len(own['validation']):,} pictures")
    else:
        stays, off = cut(labels[train], classes, settings.validation_share, seed)
        places["train"], places["validation"] = (whole, train[stays]), (whole, train[off])
        said += _lost("validation", labels, labels[train[off]], prepared.classes)
        said += _also_in_train({split: places[split] for split in ("train", "validation")})
    splits = {split: _split(*place) for split, place in places.items()}
    cuts = {s: "own" if s in own else "cut from train" for s in ("validation", "test")}
    name = name or prepared.name
    n = sum(map(len, own.values()))
    return DataSet(
        name=_slug(name),
        classes=prepared.classes,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        fingerprints=prints,
        title=prepared.title or f"{printable(name)}, {n:,} pictures of {classes} classes",
        settings=settings,
        source={**prepared.source, "splits": cuts},
        mirror=prepared.mirror,
        notes=tuple(said),
    )


def _lost(
    split: str, whole: NDArray[np.int64], cut_off: NDArray[np.int64], classes: tuple[str, ...]
) -> list[str]:
    """A line where a cut has no picture of classes that the whole has: there were too few."""
    if lost := [classes[i] for i in np.setdiff1d(whole, cut_off)]:
        return [without(split, lost)]
    return []


def _also_in_train(places: Mapping[str, tuple[Part, Positions]]) -> list[str]:
    """A line for each split with pictures that stand in train as well."""
    pictures = {
        split: rows(part.pictures.numpy()[slice(None) if at is None else at])
        for split, (part, at) in places.items()
    }
    train = set(pictures.pop("train"))
    counts = {split: sum(row in train for row in own) for split, own in pictures.items()}
    return [
        f"{n:,} of the {len(pictures[split]):,} {split} pictures stand in train as well "
        "(exact copies)"
        for split, n in counts.items()
        if n
    ]


def _split(part: Part, at: Positions) -> Split:
    """The records at some positions, or all of them, without a copy then."""
    raw = np.ascontiguousarray(part.digests.numpy()[:, :8]).tobytes().hex()
    ids = tuple(raw[i : i + 16] for i in range(0, len(raw), 16))
    split = Split(part.images, part.labels, ids, part.files, part.masks)
    return split if at is None else split.take(torch.from_numpy(at))


def _slug(name: str) -> str:
    """A name that is fit for a folder and for a recipe."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:40] or "data"
