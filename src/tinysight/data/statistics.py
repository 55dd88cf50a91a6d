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
from tinysight.pictures.formats import printable

__all__ = ["DataInfo", "Duplicates", "Overlap", "inspect", "mean_and_deviation"]

CHUNK = 2**18  # values at a time: they stay in a core's cache, five times as fast as 2**22
EXAMPLES = 10
LISTED = 20  # classes that the text lists
KINDS = ("formats", "modes")


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
        examples: the first groups, those in conflict before others; of each picture its file or
            id, and its class.
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
            sizes.append(f"{found['distinct_sizes'] - 5:,} more sizes")
        kinds = {k: ", ".join(f"{k} ({n:,})" for k, n in found[k].items()) for k in KINDS}
        facts = {
            "pictures": [f"{width}x{height}, {'grey' if channels == 1 else 'RGB'}"],
            "found as": [", ".join(sizes) or "not known", *filter(None, kinds.values())],
            "classes": [self._balance()],
            "mean": [" ".join(f"{v:.4f}" for v in self.mean) + "  per channel in train; 1 is 255"],
            "deviation": [" ".join(f"{v:.4f}" for v in self.deviation)],
            "duplicates": self._copies(),
            "unreadable": self._unreadable(),
            "note": list(self.notes),
            **{f"sha256 {split}": [digest] for split, digest in self.fingerprints.items()},
        }
        rows = [
            (name if i == 0 else "", line)
            for name, lines in facts.items()
            for i, line in enumerate(lines)
        ]
        return "\n".join([self.title, "", *_aligned(rows), "", *_aligned(self._table())])

    def _balance(self) -> str:
        """How evenly train has the classes."""
        few, many = min(self.counts["train"]), max(self.counts["train"])
        each = f"{few:,}" if few == many else f"{few:,} to {many:,}"
        return f"{len(self.classes):,}, with {each} pictures each in train"

    def _copies(self) -> list[str]:
        lines = []
        for d in self.duplicates:
            if d.groups:
                lines.append(
                    f"{d.groups:,} group{'s' * (d.groups != 1)} of exact copies in {d.split} "
                    f"({d.pictures:,} pictures), {d.conflicting:,} of them with conflicting labels"
                )
                lines.append(_example(d.examples))
        for o in self.overlaps:
            if o.pictures:
                lines.append(
                    f"{o.pictures:,} picture{'s' * (o.pictures != 1)} of {o.split} also in "
                    f"{o.other}, {o.conflicting:,} of them with another label"
                )
                lines.append(_example(o.examples))
        return lines or ["no exact copies, within or across the splits"]

    def _unreadable(self) -> list[str]:
        if not self.unreadable:
            return ["none"]
        n, more = len(self.unreadable), len(self.unreadable) - EXAMPLES
        rest = [f"and {more:,} more; --json lists all"] if more > 0 else []
        return [f"{n:,}, left out", *self.unreadable[:EXAMPLES], *rest]

    def _table(self) -> list[tuple[str, ...]]:
        """How many pictures each class has; of many classes those with most and with fewest."""
        splits = list(self.counts)
        each = [
            (printable(name, 40), *(f"{self.counts[s][i]:,}" for s in splits))
            for i, name in enumerate(self.classes)
        ]
        if (hidden := len(each) - LISTED) > 0:
            ranks = sorted(range(len(each)), key=lambda i: -self.counts["train"][i])
            most, fewest = ranks[: LISTED // 2], ranks[-LISTED // 2 :]
            gap = (f"… {hidden:,} between; --json has all", *("…" for _ in splits))
            each = [*(each[i] for i in most), gap, *(each[i] for i in fewest)]
        total = ("all", *(f"{sum(self.counts[s]):,}" for s in splits))
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
    conflicting = [group for group in several if len({label for _, label in group}) > 1]
    agreeing = [group for group in several if len({label for _, label in group}) == 1]
    return Duplicates(
        split,
        len(several),
        sum(map(len, several)),
        len(conflicting),
        _examples([*conflicting, *agreeing], classes),
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


def _example(examples: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """The first group of copies in words, three of them at most."""
    group = [f"{printable(name, 60)} ({printable(label, 40)})" for name, label in examples[0][:3]]
    return f"e.g. {' = '.join(group)}"


def _aligned(table: list[tuple[str, ...]]) -> list[str]:
    """The first column to the left; the others, where there are several, to the right."""
    from rich.cells import cell_len  # a Chinese letter takes the room of two

    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    if len(widths) == 2:
        return [f"{name}{' ' * (widths[0] - cell_len(name))}  {value}" for name, value in table]
    return [
        row[0]
        + " " * (widths[0] - cell_len(row[0]))
        + "".join(f"  {value:>{width}}" for value, width in zip(row[1:], widths[1:], strict=True))
        for row in table
    ]
