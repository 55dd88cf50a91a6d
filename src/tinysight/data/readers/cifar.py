"""CIFAR-10 and CIFAR-100 in the layouts in which they are published: python and binary.

A layout is known by the names of its files, which stand in a folder, in a folder of that, or in an
archive. Data of one's own in such a layout may have another number of pictures and class names.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.data.containers import Container, Entry, skipped_note
from tinysight.data.readers.cifar_files import (
    LAYOUTS,
    Batch,
    Column,
    Layout,
    read_batch,
    read_names,
)
from tinysight.data.readers.decoding import Found
from tinysight.data.reading import Options, Reading, Records
from tinysight.errors import DataError, UnknownName, unknown
from tinysight.pictures import fit
from tinysight.pictures.formats import printable

__all__ = ["Cifar", "find"]

CHUNK = 1_000  # pictures between two reports of progress


def find(container: Container) -> Cifar | None:
    """Return a reader if a CIFAR layout stands in a container, else None.

    Costs little in a folder and in a zip; a tar.gz is unpacked for it.

    Raises:
        DataError: there are several.
    """
    names = {name for layout in LAYOUTS for name in layout.files}
    places: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in container.locate(names):
        folder, _, name = entry.name.rpartition("/")
        places[folder][name] = entry
    found = [
        Cifar(container, layout, folder, {n: e for n, e in files.items() if n in layout.files})
        for folder, files in sorted(places.items())
        for layout in LAYOUTS
        if layout.fits(files)
    ]
    if len(found) > 1:
        which = ", ".join(f"{f.layout.title} ({f.layout.kind}) in {f.folder or '.'}" for f in found)
        raise DataError(
            f"{container.path} holds several data sets: {printable(which, 400)}; give a folder "
            "with one of them"
        )
    return found[0] if found else None


@dataclass(frozen=True)
class Cifar:
    """A CIFAR layout, found but not read.

    Attributes:
        folder: where in the container the files stand; "" for its top.
        files: by their names.
    """

    container: Container
    layout: Layout
    folder: str
    files: dict[str, Entry]

    def identity(self) -> list[Any]:
        """Return plain values that change when a file does; nothing is unpacked for it."""
        names = [entry.name for entry in self.files.values()]
        return [self.layout.kind, self.layout.title, *self.container.identity(names)]

    def read(self, options: Options) -> Reading:
        """Read the pictures.

        Raises:
            DataError: a file is missing, damaged, or not what the layout says.
            UnknownName: `settings.label` names no labels of the layout.
        """
        layout, path = self.layout, self.container.path
        wanted = self._choose(options.settings.label)
        if lacking := [name for name in layout.needed if name not in self.files]:
            raise DataError(
                f"{self._where('')} lacks {', '.join(lacking)}; {layout.title} has "
                f"{', '.join(layout.needed)}: fetch or unpack it again"
            )
        batches, names = self._content()
        classes, numbered = self._classes(wanted, names.get(wanted.label), options.classes)
        counts = {c.label: len(names.get(c.label, ())) or c.classes for c in layout.columns}
        counts[wanted.label] = len(classes)
        for name, batch in batches.items():
            for label, values in batch.labels.items():
                self._check_range(name, label, values, counts[label])
        found = Found()
        splits = self._splits(batches, wanted, options, found)
        source: dict[str, Any] = {
            "kind": layout.kind,
            "path": str(path.resolve()),
            "container": self.container.kind,
            "files": {split: list(files) for split, (files, _) in layout.splits.items()},
            "label": wanted.label,
            **found.to_source(),
        }
        notes = []
        if others := [column for column in layout.columns if column is not wanted]:
            source["other_labels"] = [column.label for column in others]
            source["groups"] = self._groups(batches, wanted, others, classes, names)
            notes.append(
                f"labels of {wanted.label} ({len(classes)} classes); there is also "
                + ", ".join(f"{c.label} ({counts[c.label]}; data.label={c.short})" for c in others)
            )
        notes += self._counts(batches)
        notes += found.notes(splits["train"].images.shape[1:])
        notes += skipped_note(self.container)
        name = path.resolve().name if self.container.kind == "folder" else path.name.split(".")[0]
        return Reading(name, classes, splits, source, tuple(notes), numbered=numbered)

    def _choose(self, wanted: str | None) -> Column:
        columns = self.layout.columns
        if wanted is None:
            return max(columns, key=lambda c: c.classes)
        for column in columns:
            if wanted in (column.label, column.short, column.key):
                return column
        shorts = [column.short for column in columns]
        raise UnknownName(f"{self.container.path}: {unknown('label column', wanted, shorts)}")

    def _where(self, name: str) -> str:
        """What to call a file, or the layout's folder, in an error."""
        inside = "/".join(part for part in (self.folder, name) if part)
        if self.container.kind == "folder":
            return str(self.container.path / inside)
        return f"{self.container.path}: {printable(inside)}" if inside else f"{self.container.path}"

    def _content(self) -> tuple[dict[str, Batch], dict[str, tuple[str, ...]]]:
        """The batches by file, and the class names by column, in one pass over the container."""
        layout = self.layout
        sizes = {entry.name: layout.most(name) for name, entry in self.files.items()}
        batches: dict[str, Batch] = {}
        names: dict[str, tuple[str, ...]] = {}
        for member, raw in self.container.read(sizes):
            name = member.rpartition("/")[2]
            where = self._where(name)
            if name in layout.needed:
                batches[name] = read_batch(raw, layout, name, where)
            else:
                names |= read_names(raw, layout, name, where)
        return batches, names

    def _classes(
        self, column: Column, own: tuple[str, ...] | None, given: tuple[str, ...] | None
    ) -> tuple[tuple[str, ...], bool]:
        """The names of the classes, and whether they are made up."""
        path = self.container.path
        if own is not None:
            if given not in (None, own):
                raise DataError(f"{path} names its {len(own)} classes itself; leave classes out")
            return own, False
        if given is None:
            return tuple(map(str, range(column.classes))), True
        if len(given) < column.classes:
            raise DataError(
                f"{path}: {len(given)} classes were given, but {self.layout.title} has "
                f"{column.classes} of {column.label}; name them all"
            )
        return given, False

    def _check_range(self, name: str, label: str, values: NDArray[np.int64], classes: int) -> None:
        wrong = np.flatnonzero((values < 0) | (values >= classes))
        if len(wrong):
            raise DataError(
                f"{self._where(name)}: record {wrong[0]:,} (numbered from 0) has the {label} "
                f"{values[wrong[0]]}; 0 to {classes - 1} are expected, {len(wrong):,} records have "
                "others: fetch or write it again"
            )

    def _splits(
        self, batches: dict[str, Batch], wanted: Column, options: Options, found: Found
    ) -> dict[str, Records]:
        """The batches of each split together, as pictures of the wanted size."""
        side = options.settings.size or 32
        total = sum(len(batch.pixels) for batch in batches.values())
        done = 0
        splits = {}
        for split, (names, _) in self.layout.splits.items():
            own = [batches[name] for name in names]
            images = np.empty((sum(len(b.pixels) for b in own), side, side, 3), np.uint8)
            start = 0
            for chunk in (part for b in own for part in _chunks(b.pixels)):
                pictures = chunk.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
                to = images[start : start + len(chunk)]
                to[:] = pictures if side == 32 else [fit(p, (side, side, 3)) for p in pictures]
                start += len(chunk)
                done += len(chunk)
                if options.progress is not None:
                    options.progress(done, total)
            labels = np.concatenate([b.labels[wanted.label] for b in own])
            files = tuple(file for b in own for file in b.files)
            splits[split] = Records(images, labels, files if len(files) == len(labels) else ())
        found.sizes[32, 32] = found.channels[3] = found.modes["RGB"] = total
        found.formats["array"] = total
        return splits

    def _groups(
        self,
        batches: dict[str, Batch],
        wanted: Column,
        others: list[Column],
        classes: tuple[str, ...],
        names: dict[str, tuple[str, ...]],
    ) -> dict[str, dict[str, str]]:
        """For each coarser named column, the group of each class, where it has just one."""
        train = [batches[name].labels for name in self.layout.splits["train"][0]]
        own = np.concatenate([labels[wanted.label] for labels in train])
        groups = {}
        for other in others:
            theirs = np.concatenate([labels[other.label] for labels in train])
            pairs = np.unique(np.stack([own, theirs]), axis=1)
            if other.label in names and len(pairs[0]) == len(np.unique(pairs[0])):
                called = names[other.label]
                groups[other.label] = {classes[i]: called[j] for i, j in pairs.T.tolist()}
        return groups

    def _counts(self, batches: dict[str, Batch]) -> list[str]:
        """A line on files that have not as many pictures as the published ones."""
        published = {n: most for names, most in self.layout.splits.values() for n in names}
        other = [
            f"{name} {len(batches[name].pixels):,} rather than {most:,}"
            for name, most in published.items()
            if len(batches[name].pixels) != most
        ]
        return [f"pictures in a file, unlike {self.layout.title}: {', '.join(other)}"] * bool(other)


def _chunks(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [pixels[i : i + CHUNK] for i in range(0, len(pixels), CHUNK)]
