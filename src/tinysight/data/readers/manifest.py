"""Tables that list pictures by path and label, and their split if need be; see `listing`.

Paths are relative to the table's folder. Without a column of splits all pictures are train's, or
those of the split that names the table where a folder has `train.csv` and `test.csv`. Labels that
are whole numbers are put in the order of the numbers, others in that of the alphabet.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.data.containers.archives import as_data_error
from tinysight.data.dataset import SPLITS, quoted
from tinysight.data.labels import check_classes, check_labels
from tinysight.data.readers.decoding import Item, Stream, decode_all
from tinysight.data.readers.listing import ENDINGS, LABEL, Row, is_listing, rows_of
from tinysight.data.readers.numbering import class_names
from tinysight.data.reading import SPLIT_NAMES, Options, Reading, Records, stamp
from tinysight.errors import DataError, UnknownName, UsageError, unknown
from tinysight.pictures.formats import printable

__all__ = ["Manifest", "find"]

NAMED = 10  # rows that a message names

_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Manifest:
    """Tables of pictures; the tables are read, their pictures not decoded.

    Attributes:
        path: the table, or the folder that they were found in.
        columns: the names of the columns of labels.
        rows: of each split, in their order.
    """

    path: Path
    tables: tuple[Path, ...]
    columns: tuple[str, ...]
    rows: dict[str, list[Row]]

    def identity(self) -> list[Any]:
        """Return plain values that change when a table or a picture does."""
        stamps = []
        for table in self.tables:
            with as_data_error(table):
                stamps.append([str(table.resolve()), *stamp(table.stat())])
        digest = hashlib.sha256()
        for rows in self.rows.values():
            for row in rows:
                try:
                    about = os.stat(self._place(row))  # noqa: PTH116 (three times as fast)
                    digest.update(b"%d %d %d\n" % stamp(about))
                except OSError:
                    digest.update(b"none\n")
        return ["manifest", stamps, digest.hexdigest()]

    def read(self, options: Options) -> Reading:
        """Decode the pictures.

        Raises:
            DataError: rows without a label, classes that differ in case alone or are in test
                alone; pictures that cannot be read, and `skip_bad` is off.
            UnknownName: `settings.label` names no column of labels.
            UsageError: names were given for classes that have names.
        """
        column = self._choose(options.settings.label)
        classes, numbered, labels = self._classes(column, options.classes)
        check_classes(classes)
        check_labels(labels, classes)
        streams = {
            split: Stream(len(rows), lambda rows=rows: self._items(rows))
            for split, rows in self.rows.items()
        }
        decoded = decode_all(
            streams, options.settings.size, skip_bad=options.skip_bad, progress=options.progress
        )
        splits = {}
        for split, images in decoded.images.items():
            at = decoded.positions[split]
            files = tuple(self.rows[split][i].path for i in at)
            splits[split] = Records(images, labels[split][at], files)
        source = {
            "kind": "manifest",
            "path": str(self.path.resolve()),
            "tables": [table.name for table in self.tables],
            "label": column,
            "other_labels": [name for name in self.columns if name != column],
            **decoded.found.to_source(),
        }
        notes = (*self._notes(column), *decoded.found.notes(decoded.shape))
        path = self.path.resolve()
        name = path.stem if path.is_file() else path.name
        return Reading(name, classes, splits, source, notes, numbered=numbered)

    def _place(self, row: Row) -> str:
        return os.path.join(row.table.parent, row.path)  # noqa: PTH118 (as above)

    def _items(self, rows: Sequence[Row]) -> Iterator[Item]:
        return ((printable(row.path), Path(self._place(row))) for row in rows)

    def _texts(self, column: str) -> dict[str, list[str]]:
        at = self.columns.index(column)
        return {split: [row.labels[at] for row in rows] for split, rows in self.rows.items()}

    def _choose(self, wanted: str | None) -> str:
        """The column of labels asked for; else that of most classes, rather names than numbers."""
        if wanted is not None:
            for column in self.columns:
                if wanted.lower() in (column, _short(column)):
                    return column
            raise UnknownName(f"{self.path}: {unknown('label column', wanted, self.columns)}")

        def rank(column: str) -> tuple[int, bool]:
            found = {text for own in self._texts(column).values() for text in own}
            return -len(found), all(map(_NUMBER.fullmatch, found))

        return min(self.columns, key=rank)

    def _classes(
        self, column: str, given: tuple[str, ...] | None
    ) -> tuple[tuple[str, ...], bool, dict[str, NDArray[np.int64]]]:
        """The names of the classes, whether they are mere numbers, and the labels by split."""
        texts = self._texts(column)
        self._check(column, texts)
        found = {text for own in texts.values() for text in own}
        if all(map(_NUMBER.fullmatch, found)):
            names = sorted(found, key=lambda text: (int(text), text))
            numbered = names == [str(i) for i in range(len(names))]
        else:
            names, numbered = sorted(found), False
            if given is not None:
                raise UsageError(
                    f"classes were given, but {self.path} names its classes in the column {column}"
                )
        place = {text: i for i, text in enumerate(names)}
        if given is not None:  # then a number is the position of a name
            place = {text: int(text) for text in names}
        labels = {s: np.array([place[text] for text in own], np.int64) for s, own in texts.items()}
        if given is not None:
            return *class_names(labels, str(self.path), given=given), labels
        return tuple(names), numbered, labels

    def _check(self, column: str, texts: dict[str, list[str]]) -> None:
        """Refuse rows without a label, and classes that cannot be told apart."""
        at = self.columns.index(column)
        rows = [row for own in self.rows.values() for row in own]
        if empty := [str(row) for row in rows if not row.labels[at]]:
            shown = ", ".join(empty[:NAMED]) + (" …" if len(empty) > NAMED else "")
            raise DataError(
                f"{self.path}: {len(empty):,} of {len(rows):,} rows have no {column}: {shown}; "
                "fill or remove them"
            )
        seen: dict[str, str] = {}
        for name in sorted({text for own in texts.values() for text in own}):
            if (twin := seen.setdefault(name.casefold(), name)) != name:
                raise DataError(
                    f"{self.path} has the classes {printable(twin)!r} and {printable(name)!r}, "
                    "which differ in case alone; merge them or rename one"
                )

    def _notes(self, column: str) -> list[str]:
        notes = []
        if others := [f"{c} (data.label={_short(c)})" for c in self.columns if c != column]:
            notes.append(f"labels of column {column}; there is also {', '.join(others)}")
        if self.path.is_dir():
            names = " and ".join(printable(table.name) for table in self.tables)
            notes.append(f"the pictures that {names} lists; others in the folder are not read")
        paths = [row.path for rows in self.rows.values() for row in rows]
        if outside := sum(map(_leads_out, paths)):
            notes.append(
                f"{outside:,} of {len(paths):,} paths are absolute or lead out of the folder of "
                "the table"
            )
        return notes


def find(path: Path) -> Manifest | None:
    """Read a table, or those of a folder, known by their first line; None where there is none.

    In a folder the tables named by a split count, else the only one.

    Raises:
        DataError: a file called .csv or .tsv is no such table, or one is damaged; a folder has
            several that could be meant.
    """
    if path.is_dir():
        tables, by_split = _tables(path)
    else:
        able = (path.is_file() and path.suffix.lower() in ENDINGS) or is_listing(path)
        tables, by_split = [path] if able else [], False
    if not tables:
        return None
    rows: dict[str, list[Row]] = {}
    seen: dict[str, Row] = {}
    columns: tuple[str, ...] = ()
    for table in tables:
        split = SPLIT_NAMES[table.stem.lower()] if by_split else "train"
        own, listed = rows_of(table, seen)
        if columns and own != columns:
            raise DataError(
                f"{path}: the columns of labels are {', '.join(columns)} in {tables[0].name}, but "
                f"{', '.join(own)} in {table.name}; they must be the same"
            )
        columns = own
        for row in listed:
            rows.setdefault(row.split or split, []).append(row)
    if "train" not in rows:
        found = f"only {', '.join(rows)}" if rows else "no rows below its first line"
        raise DataError(f"{path} lists no pictures to train on: it has {found}")
    ordered = {s: rows[s] for s in SPLITS if s in rows}
    return Manifest(path, tuple(tables), columns, ordered)


def _tables(path: Path) -> tuple[list[Path], bool]:
    """The tables of a folder, and whether they are named by their splits."""
    with as_data_error(path):
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in ENDINGS)
    tables = [f for f in files if not f.name.startswith(".") and is_listing(f)]
    if named := [f for f in tables if f.stem.lower() in SPLIT_NAMES]:
        return named, True
    if len(tables) > 1:
        raise DataError(
            f"{path} holds several tables of pictures: {quoted([f.name for f in tables])}; name "
            "the one to read, or call them train.csv and test.csv"
        )
    return tables, False


def _short(column: str) -> str:
    """`fine` for `fine_label`."""
    match = LABEL.fullmatch(column)
    return (match and match[1]) or column


def _leads_out(path: str) -> bool:
    return Path(path).is_absolute() or Path(os.path.normpath(path)).parts[:1] == ("..",)
