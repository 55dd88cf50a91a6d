"""IDX files, the layout of MNIST, Fashion-MNIST, EMNIST and KMNIST, gzipped or not.

EMNIST's have rows and columns swapped (its files were written from MATLAB); they are swapped back.

Four files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same with `t10k` or
`test`; `train-images.idx3-ubyte` is taken as well, and idx4 for pictures in colour. They stand in a
folder, in one of its folders (torchvision has `raw`), or in an archive. A file is two zero bytes,
one for the kind of the values and one for the number of axes, the lengths as big-endian 32-bit
numbers, then the values. Format: yann.lecun.org/exdb/mnist/
"""

from __future__ import annotations

import io
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tinysight.data.containers import Container, Entry, open_container, skipped_note
from tinysight.data.containers.archives import MAX_RATIO, as_data_error
from tinysight.data.containers.inflating import GZIP, Inflated
from tinysight.data.dataset import quoted
from tinysight.data.labels import as_labels
from tinysight.data.readers.arrays import Layout, as_pixels
from tinysight.data.readers.decoding import Item, Stream
from tinysight.data.readers.numbering import decode_numbered
from tinysight.data.reading import Options, Reading
from tinysight.errors import DataError, UsageError
from tinysight.pictures.formats import check_bounds, printable

__all__ = ["Idx", "exactly", "find"]

ALWAYS_UNPACKED = 64 * 2**20  # so many bytes are unpacked whatever the ratio
KINDS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
PARTS = {"train": "train", "t10k": "test", "test": "test"}
FEW = 10  # folders that are looked into; a data set of class folders has more
EMNIST = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")

_AXES = {"images": ("3", "4"), "labels": ("1",)}
# What each name is: the prefix, the part, and images or labels.
_NAMES = {
    f"{prefix}{part}-{what}{mark}idx{axes}-ubyte{packed}": (prefix, part, what)
    for prefix, part, what, mark, packed in product(
        ("", *(f"emnist-{name}-" for name in EMNIST)), PARTS, _AXES, "-.", ("", ".gz")
    )
    for axes in _AXES[what]
}


@dataclass(frozen=True)
class Idx:
    """IDX files, found but not read.

    Attributes:
        files: by split, and whether images or labels.
        layout: where the channels are, for an idx4 whose shape leaves it open.
    """

    container: Container
    files: dict[tuple[str, str], Entry]
    layout: Layout | None = None

    def identity(self) -> list[Any]:
        """Return plain values that change when a file does; nothing is unpacked for it."""
        names = [entry.name for entry in self.files.values()]
        return ["idx", names, self.layout, *self.container.identity(names)]

    def read(self, options: Options) -> Reading:
        """Read the pictures.

        Raises:
            DataError: a file is missing, damaged, cut short, or does not hold what it is named by.
            UsageError: `layout` must be stated.
        """
        path = self.container.path
        if options.settings.label is not None:
            raise UsageError(
                f"data.label={options.settings.label!r} picks a label column of a table; IDX files "
                f"as in {path} have one label a picture"
            )
        self._check_complete()
        streams: dict[str, Stream] = {}
        labels: dict[str, NDArray[np.int64]] = {}
        arrays = self._arrays()
        for split in [s for s, what in self.files if what == "images"]:
            pixels, where = arrays[split, "images"], self._where(split, "images")
            streams[split] = Stream(len(pixels), lambda p=pixels, w=where: _items(w, p))
            values = arrays[split, "labels"]
            labels[split] = as_labels(values, len(pixels), self._where(split, "labels"))
        found = decode_numbered(streams, labels, str(path), options, given=options.classes)
        source = {
            "kind": "idx",
            "path": str(path.resolve()),
            "container": self.container.kind,
            "files": {f"{split} {what}": e.name for (split, what), e in self.files.items()},
            **found.decoded.found.to_source(),
        }
        turned = ["EMNIST's pictures lie on their sides in its files: they were set upright"]
        notes = (
            *turned * self._is_emnist(),
            *found.decoded.found.notes(found.decoded.shape),
            *skipped_note(self.container),
        )
        return Reading(
            self._name(), found.classes, found.splits, source, notes, numbered=found.numbered
        )

    def _is_emnist(self) -> bool:
        """Whether rows and columns are swapped, as in the files of EMNIST."""
        return any(_NAMES[e.name.rpartition("/")[2]][0] for e in self.files.values())

    def _name(self) -> str:
        path = self.container.path.resolve()
        if self.container.kind != "folder":
            return path.name.split(".")[0]
        # torchvision's MNIST/raw
        return path.parent.name if path.name.lower() == "raw" else path.name

    def _where(self, split: str, what: str) -> str:
        name = self.files[split, what].name
        if self.container.kind == "folder":
            return str(self.container.path / name)
        return f"{self.container.path}: {printable(name)}"

    def _check_complete(self) -> None:
        for split in {"train": None, **{split: None for split, _ in self.files}}:
            for what in _AXES:
                if (split, what) not in self.files:
                    names = sorted(entry.name for entry in self.files.values())
                    raise DataError(
                        f"{self.container.path} has no {what} of {split}, as "
                        f"{_example(split, what)} would be; found {quoted(names)}: fetch or copy "
                        "it again"
                    )

    def _arrays(self) -> dict[tuple[str, str], NDArray[Any]]:
        """The content of the files: pictures uint8 n h w c, labels n."""
        found = {}
        for place, file, size in self._opened():
            where = self._where(*place)
            if place[1] == "labels":
                found[place] = _values(file, size, where, "labels")
                continue
            values = _values(file, size, where, "images")
            if values.dtype != np.uint8:
                raise DataError(
                    f"{where} holds {values.dtype}; pictures are expected as unsigned bytes, 0 to "
                    "255: write it again, or give the arrays with their value_range"
                )
            found[place] = as_pixels(values, None, self.layout, where)
            if self._is_emnist():
                found[place] = found[place].transpose(0, 2, 1, 3)
            height, width = found[place].shape[1:3]
            check_bounds(height, width, f"each picture of {where}")
        return found

    def _opened(self) -> Iterator[tuple[tuple[str, str], BinaryIO, int]]:
        """Each file and its size; those of an archive in one pass."""
        if self.container.kind == "folder":
            for place, entry in self.files.items():
                path = self.container.path / entry.name
                with as_data_error(path), path.open("rb") as file:
                    yield place, file, path.stat().st_size
            return
        places = {entry.name: place for place, entry in self.files.items()}
        most = max(ALWAYS_UNPACKED, MAX_RATIO * self.container.path.stat().st_size)
        for name, raw in self.container.read(dict.fromkeys(places, most)):
            yield places[name], io.BytesIO(raw), len(raw)


def find(source: Container | Path, *, layout: Layout | None = None) -> Idx | None:
    """Return a reader if IDX files stand in a container, or where the path of one points, or None.

    Costs little in a folder and in a zip; a tar.gz is unpacked for it.

    Raises:
        DataError: there are several sets of them.
    """
    if isinstance(source, Path):
        if source.is_file() and source.name in _NAMES:
            container, only = open_container(source.parent), _NAMES[source.name][0]
        elif source.is_dir():
            container, only = open_container(source), None
        else:
            return None
    else:
        container, only = source, None
    sets: dict[tuple[str, str], dict[tuple[str, str], Entry]] = defaultdict(dict)
    for entry in _located(container):
        folder, _, name = entry.name.rpartition("/")
        prefix, part, what = _NAMES[name]
        place, files = (PARTS[part], what), sets[folder, prefix]
        if only is not None and (folder, prefix) != ("", only):
            continue
        parts = {
            _NAMES[e.name.rpartition("/")[2]][1] for at, e in files.items() if at[0] == place[0]
        }
        if parts - {part}:
            raise DataError(
                f"{container.path} has files of both t10k and test, which are one split; remove "
                "one of the two"
            )
        if place in files and _unpacked(files[place].name) != _unpacked(entry.name):
            raise DataError(
                f"{container.path} has two files for the {what} of {PARTS[part]}: "
                f"{quoted([files[place].name, entry.name])}; remove one of the two"
            )
        # torchvision leaves the packed file beside the unpacked one, which is read faster.
        if place not in files or not name.endswith(".gz"):
            files[place] = entry
    found = {place: files for place, files in sets.items() if files}
    if len(found) > 1:
        which = quoted([f"{folder}/{prefix}".strip("/-") or "." for folder, prefix in found])
        raise DataError(
            f"{container.path} holds several sets of IDX files: {which}; give a folder with one of "
            "them, or the path of one of its files"
        )
    for files in found.values():
        return Idx(container, dict(sorted(files.items(), reverse=True)), layout)
    return None


def _unpacked(name: str) -> str:
    return name.removesuffix(".gz")


def exactly(folder: Path, names: Iterable[str]) -> Idx:
    """Return a reader of these files of a folder alone, whatever else is in it."""
    files = {}
    with as_data_error(folder):
        for name in names:
            _, part, what = _NAMES[name]
            files[PARTS[part], what] = Entry(name, (folder / name).stat().st_size)
    return Idx(open_container(folder), files)


def _located(container: Container) -> list[Entry]:
    """The files named as IDX; those of a folder in itself, and in its folders if they are few."""
    if container.kind != "folder":
        return container.locate(_NAMES)
    path = container.path
    with as_data_error(path):
        found, folders = _listed(path)
        if len(folders) <= FEW:
            for folder in sorted(folders):
                with suppress(OSError):  # what may not be looked into is not meant
                    found += _listed(folder)[0]
        return [Entry(f.relative_to(path).as_posix(), f.stat().st_size) for f in found]


def _listed(path: Path) -> tuple[list[Path], list[Path]]:
    """The files of a folder that are named as IDX, and its folders."""
    with os.scandir(path) as listed:
        entries = list(listed)
    files = sorted(path / e.name for e in entries if e.name in _NAMES and e.is_file())
    return files, [path / e.name for e in entries if e.is_dir()]


def _example(split: str, what: str) -> str:
    return f"{'train' if split == 'train' else 't10k'}-{what}-idx{_AXES[what][0]}-ubyte"


def _values(file: BinaryIO, size: int, where: str, what: str) -> NDArray[Any]:
    """The array in a file of so many bytes; held against them before anything is allocated."""
    packed = file.read(2) == GZIP
    file.seek(0)
    stream = Inflated(file, where) if packed else file
    head = stream.read(4)
    axes = _AXES[what]
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in KINDS or not 1 <= head[3] <= 8:
        shown = printable(head.decode("latin-1"))
        raise DataError(f"{where} is no IDX file: it starts with {shown!r}; fetch or copy it again")
    if str(head[3]) not in axes:
        other = "labels" if what == "images" else "images"
        swapped = f": are {what} and {other} swapped?" if str(head[3]) in _AXES[other] else ""
        raise DataError(
            f"{where} has {head[3]} axes, {what} have {' or '.join(axes)}{swapped or '; mend it'}"
        )
    kind = np.dtype(KINDS[head[2]])
    lengths = stream.read(4 * head[3])
    if len(lengths) < 4 * head[3]:
        raise DataError(f"{where} ends within its header; fetch or copy it again")
    shape = tuple(np.frombuffer(lengths, ">u4").tolist())
    wanted = math.prod(shape) * kind.itemsize
    expected = f"{' x '.join(f'{n:,}' for n in shape)} expected, {wanted:,} bytes"
    if packed and wanted > max(ALWAYS_UNPACKED, MAX_RATIO * size):
        raise DataError(f"{where}: {expected}, packed in {size:,}, as bombs are; fetch it again")
    raw, there = b"", size - 4 - len(lengths)
    if packed or wanted <= there:
        raw = stream.read(wanted + 1)
        there = len(raw)
    if there != wanted:
        found = f"{there:,} are there" if there < wanted else "there are more"
        raise DataError(f"{where}: {expected}; {found}: fetch or copy it again")
    return np.frombuffer(raw, kind).reshape(shape)


def _items(where: str, pixels: NDArray[np.uint8]) -> Iterator[Item]:
    return ((f"{where} {i:,}", picture) for i, picture in enumerate(pixels))
