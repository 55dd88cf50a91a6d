"""Data sets: `load` takes a name, a path or what is in memory, and returns a DataSet.

embedded/        digits and shapes, made here
published/       what can be had by name: CIFAR, MNIST and others; fetched, added, checked
readers/         a layout on disk each; recognised by content
containers/      folders, tar and zip, gone through without unpacking
pickles/         pickles read without running them

reading.py       what readers are asked and hand over
labels.py        what labels and names of classes must be
prepared.py      canonical order, and what a data set is recognised as
fingerprint.py   digests of records and splits, canonical.py those of CIFAR
cache.py         decoded once, memory-mapped afterwards
splits.py        cutting validation and test off
assembly.py      all of it put together as a DataSet
statistics.py    mean and deviation, and `inspect`
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinysight.data.assembly import assemble
from tinysight.data.cache import cached
from tinysight.data.dataset import DataSet, Split
from tinysight.data.embedded import EMBEDDED, Embedded
from tinysight.data.prepared import Prepared, prepare
from tinysight.data.published import PUBLISHED, named
from tinysight.data.readers import find
from tinysight.data.readers.arrays import Layout, Range, as_range, check_layout, read_memory
from tinysight.data.reading import Options, Progress, Reader
from tinysight.errors import UnknownName, UsageError, unknown
from tinysight.pictures.formats import printable
from tinysight.recipe import Data, Recipe

__all__ = ["DATASETS", "DataSet", "Split", "load"]

# What is known by name, and what it is.
DATASETS: dict[str, str] = {
    **{name: (make.__doc__ or "").partition("\n")[0] for name, make in EMBEDDED.items()},
    **{name: f"{known.title}, by {known.origin}" for name, known in PUBLISHED.items()},
}


def load(
    source: Any,
    settings: Data | None = None,
    *,
    test: Any = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    value_range: Range | None = None,
    layout: Layout | None = None,
    skip_bad: bool = False,
    cache: bool = True,
    progress: Progress | None = None,
) -> DataSet:
    """Read a data set.

    Args:
        source: a name in DATASETS (a folder of that name is `./name`); the path of what `readers`
            read, a folder or a file; (images, labels); a torch Dataset of (picture, label); or a
            dict of such by split.
        settings: size, label column, shares and seed of the splits.
        test: the test split, beside a `source` that is in memory.
        classes: names, where the source has none.
        name: what to call it; else the name of the source, or of what it is recognised as.
        value_range: what black and white are, for arrays that are not uint8.
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
        # What was read has no name here, so that it is freed once it is in order.
        prepared = prepare(read_memory(parts, options, value_range=value_range, layout=layout))
        return assemble(prepared, settings, name=name)
    if test is not None:
        raise UsageError(f"test is for data in memory; {os.fspath(source)} is read from disk")
    value_range = as_range(value_range)
    check_layout(layout)
    origin, found = _find(source, value_range, layout)

    def build() -> Prepared:
        return prepare(found.read(options))

    way = [origin, settings.size, settings.label, skip_bad, options.classes, value_range, layout]
    if cache:
        prepared, notes = cached(Path(origin).name, way, found.identity(), build)
    else:
        prepared, notes = build(), ()
    # What `load` must be given again, beside the settings, to give the same.
    given = {
        "classes": options.classes,
        "skip_bad": skip_bad or None,
        "name": name,
        "value_range": value_range,
        "layout": layout,
    }
    again = {key: value for key, value in given.items() if value is not None}
    described = {**prepared.source, "origin": origin, "options": again}
    return assemble(replace(prepared, source=described), settings, name=name, notes=notes)


def _find(
    source: str | os.PathLike[str], value_range: Range | None, layout: Layout | None
) -> tuple[str, Reader]:
    """What is to be given to `load` again for a name or a path, and its reader."""
    if isinstance(source, str) and source in DATASETS:
        if value_range is not None or layout is not None:
            raise UsageError(
                f"value_range and layout are for arrays, in memory or in files; {source} has none"
            )
        return source, Embedded(source) if source in EMBEDDED else named.find(source)
    path = Path(source)
    try:
        if not path.exists():
            said = unknown("data set", os.fspath(path), DATASETS)
            raise UnknownName(f"{said}; nor is it a path")
    except OSError as error:  # a name that no file system takes
        raise UnknownName(f"{printable(str(path))} is no data set: {error.strerror}") from None
    return str(path.resolve()), find(path, value_range=value_range, layout=layout)


def _parts(source: Any, test: Any) -> dict[str, Any]:
    """The splits of a source that is in memory."""
    parts = dict(source) if isinstance(source, Mapping) else {"train": source}
    if test is not None:
        if "test" in parts:
            raise UsageError("the source has a test split and test was given; leave one out")
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
