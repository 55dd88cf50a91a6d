"""The files of CIFAR-10 and CIFAR-100 as published: python (pickles) and binary.

https://www.cs.toronto.edu/~kriz/cifar.html describes them. A picture is 3,072 bytes: a red, a green
and a blue plane of 32 rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.data.pickles import unpickle
from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["LAYOUTS", "Batch", "Column", "Layout", "read_batch", "read_names"]

PIXELS = 3 * 32 * 32
MAX_NAMES = 2**20  # bytes of a file of class names
AGAIN = "fetch or write it again"


@dataclass(frozen=True)
class Column:
    """Labels: their name as elsewhere, their key in the pickles, and how many classes they have.

    `names` is the key of the class names in the pickle `meta`, or the text file that has them.
    """

    label: str
    key: str
    classes: int
    names: str

    @property
    def short(self) -> str:
        """How `data.label` calls it."""
        return self.label.removesuffix("_label")


@dataclass(frozen=True)
class Layout:
    """A layout as published.

    Attributes:
        splits: for each split its files, and the pictures in each.
        columns: labels; in the binary form in the order of their bytes.
        meta: the pickle with the class names; "" in the binary form.
    """

    title: str
    splits: dict[str, tuple[tuple[str, ...], int]]
    columns: tuple[Column, ...]
    meta: str

    @property
    def kind(self) -> str:
        """The form, as in `DataSet.source`."""
        return "cifar-python" if self.meta else "cifar-binary"

    @property
    def needed(self) -> list[str]:
        """The files with pictures."""
        return [file for files, _ in self.splits.values() for file in files]

    @property
    def files(self) -> set[str]:
        """All of its files."""
        named = {self.meta} if self.meta else {column.names for column in self.columns}
        return {*self.needed, *named}

    def pictures(self, name: str) -> int:
        """The pictures of a file as published."""
        return next(n for files, n in self.splits.values() if name in files)

    def most(self, name: str) -> int:
        """The most bytes that a file may have."""
        if name not in self.needed:
            return MAX_NAMES
        # Python 3 writes a byte as two in protocols 0 to 2, and there are names.
        return self.pictures(name) * (PIXELS + len(self.columns)) * (3 if self.meta else 1)

    def fits(self, files: Collection[str]) -> bool:
        """Whether files can be this layout's. `train` alone could be anything."""
        own = [name for name in self.needed if name in files]
        return bool(own) and ("batch" in own[0] or len(self.files & set(files)) > 1)


_TEN = tuple(f"data_batch_{i}" for i in range(1, 6))
LAYOUTS = (
    Layout(
        "CIFAR-10",
        {"train": (_TEN, 10_000), "test": (("test_batch",), 10_000)},
        (Column("label", "labels", 10, "label_names"),),
        "batches.meta",
    ),
    Layout(
        "CIFAR-10",
        {
            "train": (tuple(f"{name}.bin" for name in _TEN), 10_000),
            "test": (("test_batch.bin",), 10_000),
        },
        (Column("label", "labels", 10, "batches.meta.txt"),),
        "",
    ),
    Layout(
        "CIFAR-100",
        {"train": (("train",), 50_000), "test": (("test",), 10_000)},
        (
            Column("coarse_label", "coarse_labels", 20, "coarse_label_names"),
            Column("fine_label", "fine_labels", 100, "fine_label_names"),
        ),
        "meta",
    ),
    Layout(
        "CIFAR-100",
        {"train": (("train.bin",), 50_000), "test": (("test.bin",), 10_000)},
        (
            Column("coarse_label", "coarse_labels", 20, "coarse_label_names.txt"),
            Column("fine_label", "fine_labels", 100, "fine_label_names.txt"),
        ),
        "",
    ),
)


@dataclass(frozen=True, eq=False)
class Batch:
    """One file: pixels n 3072, for each column its labels, and the pictures' names if any."""

    pixels: NDArray[np.uint8]
    labels: dict[str, NDArray[np.int64]]
    files: tuple[str, ...] = ()


def read_batch(raw: bytes, layout: Layout, name: str, where: str) -> Batch:
    """Return the pictures and labels of a file of a layout.

    Raises:
        DataError: it is damaged, asks for what is not read, or is not what the layout says.
    """
    n = layout.pictures(name)
    return (_pickled if layout.meta else _binary)(raw, layout.columns, n, where)


def read_names(raw: bytes, layout: Layout, name: str, where: str) -> dict[str, tuple[str, ...]]:
    """Return the class names of a file of names, by column.

    Raises:
        DataError: as `read_batch`.
    """
    if layout.meta:
        meta = _dict(unpickle(raw, where=where, largest=0), where)
        _check_keys(meta, [column.names for column in layout.columns], where)
        return {c.label: _texts(meta[c.names], c.names, where) for c in layout.columns}
    lines = [line.strip() for line in raw.decode("utf-8", "replace").splitlines()]
    names = _texts([line for line in lines if line], "its text", where)
    return {column.label: names for column in layout.columns if column.names == name}


def _binary(raw: bytes, columns: tuple[Column, ...], n: int, where: str) -> Batch:
    """Records of one byte a column, then the pixels."""
    width = len(columns) + PIXELS
    if not raw or len(raw) % width:
        other = {PIXELS + 1: "CIFAR-10", PIXELS + 2: "CIFAR-100"}
        like = [t for w, t in other.items() if raw and w != width and len(raw) % w == 0]
        looks = f"it looks like {like[0]}, give it as such" if like else AGAIN
        raise DataError(
            f"{where} has {len(raw):,} bytes; {n} x {width} expected, or fewer whole records of "
            f"{width} bytes; {looks}"
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, width)
    labels = {column.label: records[:, i].astype(np.int64) for i, column in enumerate(columns)}
    return Batch(records[:, len(columns) :], labels)


def _pickled(raw: bytes, columns: tuple[Column, ...], n: int, where: str) -> Batch:
    """A dict of pixels, labels and file names."""
    batch = _dict(unpickle(raw, where=where, largest=n * PIXELS), where)
    _check_keys(batch, ["data", *(column.key for column in columns)], where)
    pixels = batch["data"]
    if not isinstance(pixels, np.ndarray) or pixels.shape[1:] != (PIXELS,) or not len(pixels):
        found = pixels.shape if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise DataError(f"{where}: data is {found}; uint8 of n x 3072 is expected; {AGAIN}")
    n = len(pixels)
    labels = {c.label: _labels(batch[c.key], c.key, n, where) for c in columns}
    files = _texts(batch["filenames"], "filenames", where) if "filenames" in batch else ()
    if files and len(files) != n:
        raise DataError(f"{where} has {n:,} pictures but {len(files):,} filenames; {AGAIN}")
    return Batch(pixels, labels, files)


def _dict(value: Any, where: str) -> dict[str, Any]:
    """A pickled dict, with keys that are text; Python 2 wrote bytes."""
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise DataError(f"{where} holds a {kind}; a dict is expected of CIFAR: {AGAIN}")
    return {k.decode("latin-1") if isinstance(k, bytes) else str(k): v for k, v in value.items()}


def _check_keys(found: dict[str, Any], needed: list[str], where: str) -> None:
    lacking = [key for key in needed if key not in found]
    if not lacking:
        return
    looks = ""
    for title, keys in (("CIFAR-10", {"labels"}), ("CIFAR-100", {"fine_labels", "coarse_labels"})):
        if keys <= found.keys() and "data" in found:
            looks = f"; it looks like {title}"
    keys = printable(", ".join(found), 400) or "none"
    raise DataError(f"{where} lacks {', '.join(lacking)}{looks}; its keys are: {keys}; {AGAIN}")


def _labels(value: Any, key: str, n: int, where: str) -> NDArray[np.int64]:
    if not isinstance(value, list) or not set(map(type, value)) <= {int}:
        raise DataError(f"{where}: {key} is not a list of whole numbers; {AGAIN}")
    if len(value) != n:
        raise DataError(f"{where} has {n:,} pictures but {len(value):,} {key}; {AGAIN}")
    return np.array(value, np.int64)


def _texts(value: Any, key: str, where: str) -> tuple[str, ...]:
    """A list of names; what is no text in them is replaced."""
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{where}: {key} is not a list of names; {AGAIN}")
    if not set(map(type, value)) <= {str, bytes}:
        raise DataError(f"{where}: {key} holds other than names; {AGAIN}")
    raw = [x.encode("utf-8", "replace") if isinstance(x, str) else x for x in value]
    return tuple(x.decode("utf-8", "replace").replace("\0", "\ufffd") for x in raw)
