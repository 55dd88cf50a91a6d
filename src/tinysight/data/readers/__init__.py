"""Readers: each recognises a layout by its content, and reads it; `find` asks them in order.

table.py          parquet tables; shards.py says where they lie
cifar.py          CIFAR, python and binary; cifar_files.py has their files
idx.py            MNIST and what is written like it
npz.py            NumPy's .npz; npy.py reads one array of it
tiny_imagenet.py  Tiny ImageNet's tree
manifest.py       CSV tables that list pictures; listing.py has their text
folder.py         folders of pictures
packed.py         archives of CIFAR, IDX and Tiny ImageNet
arrays.py         what is in memory
decoding.py       many pictures to one array
numbering.py      names for classes that are numbers
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinysight.data.containers import open_container
from tinysight.data.containers.archives import reading
from tinysight.data.readers import cifar, folder, idx, manifest, npz, tiny_imagenet
from tinysight.data.readers.arrays import Layout, Range
from tinysight.data.readers.packed import Packed
from tinysight.data.readers.shards import find_shards
from tinysight.data.readers.table import Table
from tinysight.data.reading import Reader
from tinysight.errors import DataError

__all__ = ["find"]

PARQUET = b"PAR1"


def find(path: Path, *, value_range: Range | None = None, layout: Layout | None = None) -> Reader:
    """Return the reader of what lies at a path; no picture is decoded yet.

    Args:
        path: a folder or a file that is there.
        value_range, layout: as `readers.arrays` has them; readers of arrays keep them.

    Raises:
        DataError: nothing that is read, damaged, or several data sets.
    """
    with reading(path):
        able = (_in_folder if path.is_dir() else _in_file)(path, value_range, layout)
        return next(reader for reader in able if reader)


def _in_folder(
    path: Path, value_range: Range | None, layout: Layout | None
) -> Iterator[Reader | None]:
    if folder.is_run(path):  # its tables are predictions
        raise DataError(
            f"{path} is a run folder, no data set; name the data set that it was trained on"
        )
    container = open_container(path)
    yield Table(path, shards) if (shards := find_shards(path)) else None
    yield cifar.find(container)
    yield idx.find(path, layout=layout)
    yield npz.find(path, value_range=value_range, layout=layout)
    yield tiny_imagenet.find(container)
    yield manifest.find(path)
    yield folder.find(path)


def _in_file(
    path: Path, value_range: Range | None, layout: Layout | None
) -> Iterator[Reader | None]:
    if not path.is_file():  # a pipe would keep us waiting
        raise DataError(f"{path} is neither a file nor a folder; give one")
    with path.open("rb") as file:
        start = file.read(len(PARQUET))
    if start == PARQUET or path.suffix.lower() == ".parquet":
        yield Table(path, find_shards(path))
    yield idx.find(path, layout=layout)
    yield npz.find(path, value_range=value_range, layout=layout)
    yield manifest.find(path)
    yield Packed(open_container(path), layout)
