"""Readers: each recognises a layout by its files or their content; `find` asks them all.

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

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tinysight.data.containers import open_container
from tinysight.data.containers.archives import as_data_error
from tinysight.data.readers import cifar, folder, idx, manifest, npz, tiny_imagenet
from tinysight.data.readers.arrays import Layout, Range
from tinysight.data.readers.packed import Packed
from tinysight.data.readers.shards import find_shards
from tinysight.data.readers.table import Table
from tinysight.data.reading import Reader
from tinysight.errors import DataError, UsageError

__all__ = ["find"]

PARQUET = b"PAR1"


def find(path: Path, *, value_range: Range | None = None, layout: Layout | None = None) -> Reader:
    """Return the reader of what lies at a path; no picture is decoded yet.

    Args:
        path: a folder or a file that is there.
        value_range, layout: as `readers.arrays` has them, for arrays in files.

    Raises:
        DataError: nothing that is read, damaged, or several data sets.
        UsageError: a `value_range` or `layout` for what has no arrays.
    """
    with as_data_error(path):
        found = (
            _in_folder(path, value_range, layout)
            if path.is_dir()
            else _in_file(path, value_range, layout)
        )
    takes = {npz.Npz: ("value_range", "layout"), idx.Idx: ("layout",), Packed: ("layout",)}
    for name, given in (("value_range", value_range), ("layout", layout)):
        if given is not None and name not in takes.get(type(found), ()):
            raise UsageError(f"{name} is for arrays, in memory or in files; {path} has none")
    return found


def _in_folder(path: Path, value_range: Range | None, layout: Layout | None) -> Reader:
    if folder.is_run(path):  # its tables are predictions
        raise DataError(
            f"{path} is a run folder, no data set; name the data set that it was trained on"
        )
    container = open_container(path)
    finders: dict[str, Callable[[], Reader | None]] = {
        "parquet tables": lambda: Table(path, shards) if (shards := find_shards(path)) else None,
        "CIFAR": lambda: cifar.find(container),
        "IDX files": lambda: idx.find(path, layout=layout),
        ".npz files": lambda: npz.find(path, value_range=value_range, layout=layout),
        "Tiny ImageNet": lambda: tiny_imagenet.find(container),
        "a table of pictures": lambda: manifest.find(path),
    }
    found: dict[str, Reader] = {}
    for kind, ask in finders.items():
        try:
            reader = ask()
        except DataError:
            if not found:
                raise
            continue  # something else is here that is whole
        if reader:
            found[kind] = reader
    if found and not found.keys() & {"Tiny ImageNet", "a table of pictures"}:  # they have folders
        with suppress(DataError):
            found["folders of pictures"] = folder.find(path)
    if len(found) > 1:
        raise DataError(
            f"{path} holds several data sets: {', '.join(found)}; give the folder or the file of "
            "one of them"
        )
    return next(iter(found.values()), None) or folder.find(path)


def _in_file(path: Path, value_range: Range | None, layout: Layout | None) -> Reader:
    if not path.is_file():  # a pipe would keep us waiting
        raise DataError(f"{path} is neither a file nor a folder; give one")
    with path.open("rb") as file:
        start = file.read(len(PARQUET))
    if start == PARQUET or path.suffix.lower() == ".parquet":
        return Table(path, find_shards(path))
    return (
        idx.find(path, layout=layout)
        or npz.find(path, value_range=value_range, layout=layout)
        or manifest.find(path)
        or Packed(open_container(path), layout)
    )
