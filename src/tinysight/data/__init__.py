"""Data sets: `load` takes a name, a path or what is in memory, and returns a DataSet.

reading.py       what readers are asked and hand over
embedded.py      digits and shapes (drawn by shapes.py)
folder.py        folders of pictures
shards.py        where parquet files lie, and table.py what is in them
arrays.py        arrays, tensors, torch data sets
decoding.py      many pictures to one array
prepared.py      canonical order, and what a data set is recognised as
fingerprint.py   digests of records and splits, canonical.py those of CIFAR
cache.py         decoded once, memory-mapped afterwards
splits.py        cutting validation and test off
assembly.py      all of it put together as a DataSet
statistics.py    mean and deviation, and `inspect`
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinysight.data import embedded
from tinysight.data.arrays import Layout, read_memory
from tinysight.data.assembly import assemble
from tinysight.data.cache import cached
from tinysight.data.dataset import DataSet, Split
from tinysight.data.folder import find
from tinysight.data.prepared import Prepared, prepare
from tinysight.data.reading import Options, Progress, Reader, Reading
from tinysight.data.shards import find_shards
from tinysight.data.table import Table
from tinysight.errors import DataError, UnknownName, UsageError, unknown
from tinysight.pictures.formats import printable
from tinysight.recipe import Data, Recipe

__all__ = ["DATASETS", "DataSet", "Split", "load"]

DATASETS: dict[str, Callable[[Options], Reading]] = {
    "digits": embedded.digits,
    "shapes": embedded.shapes,
}


def load(
    source: Any,
    settings: Data | None = None,
    *,
    test: Any = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    value_range: tuple[float, float] | None = None,
    layout: Layout | None = None,
    skip_bad: bool = False,
    cache: bool = True,
    progress: Progress | None = None,
) -> DataSet:
    """Read a data set.

    Args:
        source: a name in DATASETS (a folder of that name is `./name`); the path of a folder of
            pictures, of a folder of parquet files or of one such file; (images, labels); a torch
            Dataset of (picture, label); or a dict of such by split.
        settings: size, label column, shares and seed of the splits.
        test: the test split, beside a `source` that is in memory.
        classes: names, where the source has none.
        name: what to call it; else the name of the source, or of what it is recognised as.
        value_range: what black and white are, for pictures in memory that are not uint8.
        layout: "nhwc" or "nchw", for arrays whose shape leaves it open.
        skip_bad: leave unreadable pictures out rather than refuse the data set.
        cache: keep the decoded pictures of a name or path on disk; see `data.cache`.
        progress: called with the number of pictures decoded and the number of all.

    Raises:
        UnknownName: neither a name nor a path.
        DataError: it cannot be read or is not a data set; the message says where and why.
    """
    settings = settings or Recipe().data
    options = Options(settings, _class_names(classes), skip_bad, progress)
    if isinstance(source, str) and not source:
        raise UsageError("the data set's name or path is empty; `.` is the folder you are in")
    if not isinstance(source, str | os.PathLike):
        parts = _parts(source, test)
        reading = read_memory(parts, options, value_range=value_range, layout=layout)
        return assemble(prepare(reading), settings, name=name)
    if test is not None or value_range is not None or layout is not None:
        raise UsageError(
            f"test, value_range and layout are for data in memory; {os.fspath(source)} is read "
            "from disk"
        )
    if isinstance(source, str) and source in DATASETS:
        reader = DATASETS[source]
        origin, identity = source, lambda: embedded.identity(reader)

        def read() -> Reading:
            return reader(options)
    else:
        found = _find(Path(source))
        origin, identity = str(Path(source).resolve()), found.identity

        def read() -> Reading:
            return found.read(options)

    def build() -> Prepared:
        return prepare(read())

    way = [origin, settings.size, settings.label, skip_bad, options.classes]
    if cache:
        prepared, notes = cached(Path(origin).name, way, identity(), build)
    else:
        prepared, notes = build(), ()
    # What `load` must be given again, beside the settings, to give the same.
    given = {"classes": options.classes, "skip_bad": skip_bad or None, "name": name}
    again = {key: value for key, value in given.items() if value is not None}
    described = {**prepared.source, "origin": origin, "options": again}
    return assemble(replace(prepared, source=described), settings, name=name, notes=notes)


def _find(path: Path) -> Reader:
    """The reader of what lies at a path."""
    try:
        there = path.exists()
    except OSError as error:  # a name that no file system takes
        raise UnknownName(f"{printable(str(path))} is no data set: {error.strerror}") from None
    if path.is_dir():
        try:
            if shards := find_shards(path):
                return Table(path, shards)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        return find(path)
    if path.is_file() and path.suffix.lower() == ".parquet":
        return Table(path, find_shards(path))
    if there:
        raise DataError(f"{path} is no data set: a folder or a .parquet file is expected")
    raise UnknownName(f"{unknown('data set', os.fspath(path), DATASETS)}; nor is it a path")


def _parts(source: Any, test: Any) -> dict[str, Any]:
    """The splits of a source that is in memory."""
    parts = dict(source) if isinstance(source, Mapping) else {"train": source}
    if test is not None:
        if "test" in parts:
            raise UsageError("the source has a test split and test was given; leave one away")
        parts["test"] = test
    return parts


def _class_names(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    if classes is None:
        return None
    if (
        isinstance(classes, str)
        or not isinstance(classes, Sequence)
        or not all(isinstance(c, str) and c.strip() for c in classes)
    ):
        raise UsageError(f"classes must be a list of names, got {printable(repr(classes), 80)}")
    return tuple(classes)
