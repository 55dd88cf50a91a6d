"""NumPy's .npz: arrays of pictures and labels, in one file or in one for each split.

The keys are `images` and `labels`, or `x` and `y`, alone or with a split on either side: `x_train`
and `y_train` as Keras has them, `train_images` and `train_labels` as MedMNIST has them. Alone they
are of the split that names their file (`train.npz` in a folder), and of train in any other file.
The names of the classes may stand in `classes`, `class_names` or `label_names`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.data.containers import open_container
from tinysight.data.containers.archives import as_data_error
from tinysight.data.dataset import SPLITS, quoted
from tinysight.data.labels import as_label, as_labels
from tinysight.data.readers.arrays import Layout, Range, as_pixels
from tinysight.data.readers.decoding import Item, Stream
from tinysight.data.readers.npy import ObjectsError, StoredArray, stored_array
from tinysight.data.readers.numbering import decode_numbered
from tinysight.data.reading import SPLIT_NAMES, Options, Reading, stamp
from tinysight.errors import DataError, UsageError
from tinysight.pictures.formats import check_bounds, printable

__all__ = ["Npz", "find"]

NAMES = ("classes", "class_names", "label_names")
STEP = 2**22  # bytes of pictures in memory at a time

_KEY = re.compile(r"(?:([a-z]+)_)?(images|labels|x|y)(?:_([a-z]+))?")


@dataclass(frozen=True)
class _Key:
    """A key of a file; `kind` is images, labels, names, or "" for what is not read."""

    file: Path
    key: str
    split: str
    kind: str

    def __str__(self) -> str:
        return f"{printable(self.key)} in {printable(self.file.name)}"


@dataclass(frozen=True)
class Npz:
    """A data set in .npz files, found but not read.

    Attributes:
        keys: images, labels and names of classes, and what is not read.
        value_range, layout: as `arrays` has them, for pictures that are not uint8 and for
            shapes that leave it open where the channels are.
    """

    path: Path
    keys: tuple[_Key, ...]
    value_range: Range | None = None
    layout: Layout | None = None

    def identity(self) -> list[Any]:
        """Return plain values that change when a file does, or the way of reading it."""
        files = sorted({key.file for key in self.keys})
        stamps = []
        for file in files:
            with as_data_error(file):
                stamps.append([str(file.resolve()), *stamp(file.stat())])
        return ["npz", stamps, self.value_range, self.layout]

    def read(self, options: Options) -> Reading:
        """Read the arrays.

        Raises:
            DataError: arrays that are damaged, promise more than their file can hold, or are no
                pictures or labels.
            UsageError: `value_range` or `layout` must be stated.
        """
        if options.settings.label is not None:
            raise UsageError(
                f"data.label={options.settings.label!r} picks a label column of a table; "
                f"{self.path} has one array of labels for each split"
            )
        pairs = _pairs(self.path, self.keys)
        streams: dict[str, Stream] = {}
        labels: dict[str, NDArray[np.int64]] = {}
        for split, (images, marks) in pairs.items():
            streams[split] = self._stream(stored_array(images.file, images.key))
            labels[split] = _labels(stored_array(marks.file, marks.key), streams[split].n)
        own = self._own_names(unreadable=options.classes is not None)
        found = decode_numbered(
            streams, labels, str(self.path), options, own=own, given=options.classes
        )
        source = {
            "kind": "npz",
            "path": str(self.path.resolve()),
            "keys": {split: list(map(str, pair)) for split, pair in pairs.items()},
            **found.decoded.found.to_source(),
        }
        notes = found.decoded.found.notes(found.decoded.shape)
        if unused := [str(key) for key in self.keys if not key.kind]:
            notes.append(f"arrays that are not read: {quoted(unused)}")
        path = self.path.resolve()
        name = path.stem if path.is_file() else path.name
        return Reading(
            name, found.classes, found.splits, source, tuple(notes), numbered=found.numbered
        )

    def _stream(self, array: StoredArray) -> Stream:
        """The pictures of an array; its shape, range and bounds are checked."""
        where = str(array)
        if self.value_range is None:
            # Checked by a stand-in of the same shape and kind, which takes no memory.
            stand_in = np.broadcast_to(np.zeros((), array.dtype), array.shape)
            height, width = as_pixels(stand_in, None, self.layout, where).shape[1:3]
            check_bounds(height, width, f"each picture of {where}")
            if not array.fortran:
                return Stream(array.shape[0], lambda: _items(where, _pictures(array, self.layout)))
        pixels = as_pixels(array.read(), self.value_range, self.layout, where)
        return Stream(len(pixels), lambda: _items(where, pixels))

    def _own_names(self, *, unreadable: bool) -> tuple[str, ...] | None:
        """The names of the classes, if there are any; with `unreadable` objects count as none."""
        found: dict[tuple[str, ...], _Key] = {}
        for key in self.keys:
            if key.kind != "names":
                continue
            try:
                array = stored_array(key.file, key.key)
            except ObjectsError:
                if unreadable:
                    continue
                raise
            found.setdefault(_texts(array), key)
        if len(found) > 1:
            both = " and ".join(map(str, found.values()))
            raise DataError(f"{self.path} names its classes in two ways: {both}")
        return next(iter(found), None)


def find(
    path: Path, *, value_range: Range | None = None, layout: Layout | None = None
) -> Npz | None:
    """Recognise an .npz file by its keys, or a folder of them; None for anything else.

    In a folder the files named by a split count, else the only one that has such keys.

    Raises:
        DataError: a file called .npz is none, or has no such keys; images without labels, a split
            twice, or none of train; several files in a folder of which any could be meant.
    """
    if path.is_dir():
        able = {file: keys for file in _files(path) if (keys := _keys(file)) and _complete(keys)}
        named = {file: SPLIT_NAMES.get(file.stem.lower()) for file in able}
        files = [file for file in able if named[file]] or list(able)
        if not files:
            return None
        if len(files) > 1 and not all(named[file] for file in files):
            raise DataError(
                f"{path} holds several .npz files: {quoted([f.name for f in files])}; name the "
                "one to read, or call them train.npz and test.npz"
            )
        keys = [key for f in files for key in _keys(f, named[f] or "train") or ()]
    else:
        found = _keys(path)
        if found is None:
            return None
        keys = found
    _pairs(path, keys)
    return Npz(path, tuple(keys), value_range, layout)


def _files(path: Path) -> list[Path]:
    with as_data_error(path):
        return sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() == ".npz" and not file.name.startswith(".") and file.is_file()
        )


def _keys(path: Path, split: str = "train") -> list[_Key] | None:
    """The keys of a file, or None if it is no .npz; refused if it is called so nevertheless."""
    called = path.suffix.lower() == ".npz"
    if not called and not _starts_with_an_array(path):
        return None
    try:
        container = open_container(path)
        names = [e.name for e in container.entries()] if container.kind == "zip" else []
    except DataError:
        if called:
            raise
        return None
    keys = [name.removesuffix(".npy") for name in names if name.endswith(".npy")]
    if keys and (called or len(keys) == len(names)):
        return [_Key(path, key, *_role(key, split)) for key in keys]
    if called:
        raise DataError(f"{path} is no .npz: a zip file with .npy arrays in it is expected")
    return None


def _starts_with_an_array(path: Path) -> bool:
    """Whether the first file in a zip is a .npy; what else is in it is not looked at."""
    with as_data_error(path), path.open("rb") as file:
        head = file.read(30)
        name = file.read(int.from_bytes(head[26:28], "little"))
    return head.startswith(b"PK\3\4") and name.endswith(b".npy")


def _role(key: str, split: str) -> tuple[str, str]:
    """The split and the kind of a key; `split` is what it is of when it says nothing."""
    if key.lower() in NAMES:
        return split, "names"
    if match := _KEY.fullmatch(key.lower()):
        before, kind, after = match.groups()
        word = before or after
        if not (before and after) and (word is None or word in SPLIT_NAMES):
            kind = {"x": "images", "y": "labels"}.get(kind, kind)
            return SPLIT_NAMES[word] if word else split, kind
    return split, ""


def _complete(keys: Iterable[_Key]) -> bool:
    return {"images", "labels"} <= {key.kind for key in keys}


def _pairs(path: Path, keys: Iterable[_Key]) -> dict[str, tuple[_Key, _Key]]:
    """For each split its images and its labels."""
    found: dict[tuple[str, str], _Key] = {}
    for key in keys:
        place = key.split, key.kind
        if key.kind in ("images", "labels") and (twin := found.setdefault(place, key)) is not key:
            raise DataError(f"{path} has the {key.kind} of {key.split} twice: {twin} and {key}")
    every = quoted([key.key for key in keys])
    for split, kind in found:
        other = "labels" if kind == "images" else "images"
        if (split, other) not in found:
            raise DataError(
                f"{path} has {found[split, kind]} as the {kind} of {split} but no {other}; its "
                f"keys are {every}"
            )
    pairs = {
        split: (found[split, "images"], found[split, "labels"])
        for split in SPLITS
        if (split, "images") in found
    }
    if "train" not in pairs:
        raise DataError(
            f"{path} has no pictures to train on: the keys images and labels, x_train and y_train, "
            f"or train_images and train_labels are expected, found {every}"
        )
    return pairs


def _labels(array: StoredArray, n: int) -> NDArray[np.int64]:
    """The labels of n pictures, of the shape n or n x 1."""
    where = str(array)
    shape = array.shape[:1] if array.shape[1:] == (1,) else array.shape
    if array.dtype.kind in "SU" and array.shape[0]:
        as_label(next(array.chunks(1)).reshape(-1)[0].item(), 0, where)  # says what to do
    # First by a stand-in that takes no memory: the shape and the kind decide whether to read.
    as_labels(np.broadcast_to(np.zeros((), array.dtype), shape), n, where)
    return as_labels(array.read().reshape(-1), n, where)


def _pictures(array: StoredArray, layout: Layout | None) -> Iterator[NDArray[np.uint8]]:
    rows = max(1, STEP // math.prod(array.shape[1:]))
    for chunk in array.chunks(rows):
        yield from as_pixels(chunk, None, layout, str(array))


def _items(where: str, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[Item]:
    return ((f"{where} {i:,}", picture) for i, picture in enumerate(pictures))


def _texts(array: StoredArray) -> tuple[str, ...]:
    """Names of classes."""
    if array.dtype.kind not in "SU" or len(array.shape) != 1:
        raise DataError(
            f"{array}: names of classes are a row of str, got {array.dtype} of the shape "
            f"{array.shape}"
        )
    try:
        values = array.read().tolist()
        return tuple(v.decode() if isinstance(v, bytes) else v for v in values)
    except ValueError:
        raise DataError(
            f"{array}: the names of the classes are no text; write them again"
        ) from None
