"""What a data set is in numbers: its pixels' mean and deviation, its counts, its duplicates."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from tinysight.data.dataset import SPLITS, DataSet, Split
from tinysight.data.fingerprint import picture_digests, rows

__all__ = ["DataInfo", "Duplicates", "Overlap", "inspect", "mean_and_deviation"]

CHUNK = 2**18  # values at a time: they stay in a core's cache, five times as fast as 2**22
EXAMPLES = 10


def mean_and_deviation(
    images: Tensor, *more: Tensor
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the deviation of each channel over all pixels, as fractions of 255.

    The deviation is that of the pixels (CIFAR-10: 0.2470 0.2435 0.2616), not the mean of the
    pictures' own deviations. Sums are whole numbers, so the result is exact to the last rounding.

    >>> mean_and_deviation(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    channels = images.shape[-1]
    sums = torch.zeros(channels, dtype=torch.int64, device=images.device)
    squares, n = sums.clone(), 0
    for part in (images, *more):
        n += part[..., 0].numel()
        for chunk in part.split(max(1, CHUNK // part[0].numel())):
            values = chunk.reshape(len(chunk), -1).to(torch.int32)
            # Over the pictures first, then over the places: torch adds long rows fastest.
            sums += values.sum(0).view(-1, channels).sum(0)
            squares += values.square().sum(0).view(-1, channels).sum(0)
    pairs = list(zip(sums.tolist(), squares.tolist(), strict=True))
    mean = tuple(s / n / 255 for s, _ in pairs)
    # Whole numbers of Python until the root: n q - s s has more digits than a float64.
    deviation = tuple(math.sqrt(n * q - s * s) / n / 255 for s, q in pairs)
    return mean, deviation


@dataclass(frozen=True)
class Duplicates:
    """Groups of pictures in a split that are the same to the last pixel.

    Attributes:
        pictures: in all groups together.
        conflicting: groups whose labels do not agree.
        examples: the first groups; of each picture its file or id, and its class.
    """

    split: str
    groups: int
    pictures: int
    conflicting: int
    examples: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True)
class Overlap:
    """Pictures of a split that stand in another as well, to the last pixel.

    Attributes:
        conflicting: those with a label that none of the others has.
    """

    split: str
    other: str
    pictures: int
    conflicting: int
    examples: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True)
class DataInfo:
    """A data set in plain values.

    Where validation is cut from train, `train` in duplicates, overlaps, mean and deviation means
    both; `counts` tells them apart.

    Attributes:
        counts: for each split the pictures of each class.
        found: sizes, modes and formats of the pictures as they were before reading.
        mean, deviation: of train, per channel, fractions.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    counts: dict[str, tuple[int, ...]]
    found: dict[str, Any]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    duplicates: tuple[Duplicates, ...]
    overlaps: tuple[Overlap, ...]
    unreadable: tuple[str, ...]
    fingerprints: dict[str, str]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        height, width, channels = self.shape
        found = self.found
        sizes = [f"{s['width']}x{s['height']} ({s['n']:,})" for s in found["sizes"][:5]]
        if found["distinct_sizes"] > 5:
            sizes.append(f"{found['distinct_sizes'] - 5} more sizes")
        kinds = [f"{k} ({n:,})" for what in ("formats", "modes") for k, n in found[what].items()]
        rows = [
            ("pictures", f"{width}x{height}, {'grey' if channels == 1 else 'RGB'}"),
            ("found as", ", ".join(sizes)),
            ("", ", ".join(kinds)),
            ("mean", " ".join(f"{v:.4f}" for v in self.mean) + "  of train, share of 255"),
            ("deviation", " ".join(f"{v:.4f}" for v in self.deviation)),
            *(("duplicates", line) for line in self._duplicates()),
            *(("unreadable", name) for name in self.unreadable[:EXAMPLES] or ("none",)),
            *((f"sha256 {split}", digest) for split, digest in self.fingerprints.items()),
            *(("note", note) for note in self.notes),
        ]
        return "\n".join([self.title, "", *_aligned(rows), "", *_aligned(self._table())])

    def _duplicates(self) -> list[str]:
        lines = [
            f"{d.groups:,} groups of exact copies in {d.split} ({d.pictures:,} pictures), "
            f"{d.conflicting:,} of them with conflicting labels"
            for d in self.duplicates
            if d.groups
        ]
        lines += [
            f"{o.pictures:,} pictures of {o.split} stand in {o.other} as well, "
            f"{o.conflicting:,} of them with another label"
            for o in self.overlaps
            if o.pictures
        ]
        return lines or ["no exact copies, within or across the splits"]

    def _table(self) -> list[tuple[str, ...]]:
        splits = list(self.counts)
        total = ("all", *(f"{sum(self.counts[s]):,}" for s in splits))
        each = [
            (name, *(f"{self.counts[s][i]:,}" for s in splits))
            for i, name in enumerate(self.classes)
        ]
        return [("class", *splits), *each, total]


def inspect(dataset: DataSet) -> DataInfo:
    """Count, measure and compare the pictures of a data set.

    >>> from tinysight.data import load
    >>> inspect(load("digits", cache=False)).duplicates[0].groups
    0
    """
    splits = {name: split for name in SPLITS if (split := dataset.split(name)) is not None}
    whole = [dataset.train]
    if dataset.source.get("splits", {}).get("validation") != "own":
        whole.append(dataset.validation)
    mean, deviation = mean_and_deviation(*(part.images for part in whole))
    groups = {"train": _by_picture(whole)}
    groups |= {name: _by_picture([s]) for name, s in splits.items() if s not in whole}
    classes = dataset.classes
    names = list(groups)
    # A data set that was put together by hand does not say what its pictures were.
    found = {"sizes": [], "distinct_sizes": 0, "modes": {}, "formats": {}}
    return DataInfo(
        name=dataset.name,
        title=dataset.title,
        classes=classes,
        shape=dataset.shape,
        counts={name: tuple(s.counts(len(classes))) for name, s in splits.items()},
        found={key: dataset.source.get(key, none) for key, none in found.items()},
        mean=mean,
        deviation=deviation,
        duplicates=tuple(_duplicates(name, group, classes) for name, group in groups.items()),
        overlaps=tuple(
            _overlap(later, earlier, groups, classes)
            for i, earlier in enumerate(names)
            for later in names[i + 1 :]
        ),
        unreadable=tuple(dataset.source.get("unreadable", ())),
        fingerprints=dict(dataset.fingerprints),
        notes=dataset.notes,
    )


Groups = dict[bytes, list[tuple[str, int]]]


def _by_picture(parts: list[Split]) -> Groups:
    """For each picture, by its digest, the name and label of every record of it."""
    groups: Groups = defaultdict(list)
    for part in parts:
        names = part.files or part.ids
        digests = rows(picture_digests(part.images))
        for digest, name, label in zip(digests, names, part.labels.tolist(), strict=True):
            groups[digest].append((name, label))
    return groups


def _duplicates(split: str, groups: Groups, classes: tuple[str, ...]) -> Duplicates:
    several = [group for group in groups.values() if len(group) > 1]
    return Duplicates(
        split,
        len(several),
        sum(map(len, several)),
        sum(len({label for _, label in group}) > 1 for group in several),
        _examples(several, classes),
    )


def _overlap(
    split: str, other: str, groups: dict[str, Groups], classes: tuple[str, ...]
) -> Overlap:
    shared = [
        (group, groups[other][digest])
        for digest, group in groups[split].items()
        if digest in groups[other]
    ]
    conflicting = sum(
        label not in {known for _, known in there} for here, there in shared for _, label in here
    )
    pictures = sum(len(here) for here, _ in shared)
    both = [here + there for here, there in shared]
    return Overlap(split, other, pictures, conflicting, _examples(both, classes))


def _examples(
    groups: list[list[tuple[str, int]]], classes: tuple[str, ...]
) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(
        tuple((name, classes[label]) for name, label in group) for group in groups[:EXAMPLES]
    )


def _aligned(table: list[tuple[str, ...]]) -> list[str]:
    """The first column to the left; the others, where there are several, to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if len(widths) == 2:
        return [f"{a:<{widths[0]}}  {b}" for a, b in table]
    return [
        "  ".join(
            [
                f"{row[0]:<{widths[0]}}",
                *(f"{v:>{w}}" for v, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in table
    ]
