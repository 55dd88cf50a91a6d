"""Parquet tables as the Hugging Face hub has them: a column of encoded pictures, and labels.

The pictures are a column of bytes, or of a struct with `bytes` (and `path`). Labels are columns of
whole numbers whose name ends in "label"; where there are several, the one with most classes is
taken unless `data.label` names another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinysight.data.labels import check_classes, check_labels
from tinysight.data.readers.decoding import Stream, decode_all
from tinysight.data.reading import Options, Reading, Records, Stamp, stamp
from tinysight.errors import DataError, UnknownName, unknown
from tinysight.pictures.formats import printable

__all__ = ["Table"]

PICTURES = ("img", "image", "images", "picture")
BATCH = 512  # rows in memory at a time, as encoded bytes


@dataclass(frozen=True)
class _Column:
    """A column of labels; `names` is None where the schema has none."""

    column: str
    names: tuple[str, ...] | None
    classes: int

    @property
    def short(self) -> str:
        return re.sub(r"_?labels?$", "", self.column) or self.column


@dataclass(frozen=True)
class Table:
    """Parquet shards, found but not decoded: for each split its files; see `shards`."""

    path: Path
    shards: dict[str, list[Path]]

    def identity(self) -> list[Any]:
        """Return plain values that change when a shard does; see `reading.stamp`."""
        stamps = {
            split: [(str(shard.resolve()), *_stamp(shard)) for shard in shards]
            for split, shards in self.shards.items()
        }
        return ["parquet", str(self.path.resolve()), stamps]

    def read(self, options: Options) -> Reading:
        """Decode the pictures.

        Raises:
            DataError: no column of pictures or of labels; labels that are missing or out of
                range; pictures that cannot be read, and `skip_bad` is off.
            UnknownName: `settings.label` names no column of labels.
        """
        schema = _schema(self.shards["train"][0])
        pictures = _picture_column(schema, self.path)
        found = self._label_columns(schema)
        label = _choose(found, options.settings.label, self.path)
        self._check_columns({pictures, label.column})
        classes, numbered = _class_names(label, options.classes, self.path)
        labels = {split: self._labels(split, label, len(classes)) for split in self.shards}
        check_classes(classes)
        check_labels(labels, classes)
        streams = {
            split: Stream(len(labels[split]), lambda s=split: self._items(s, pictures))
            for split in self.shards
        }
        decoded = decode_all(
            streams, options.settings.size, skip_bad=options.skip_bad, progress=options.progress
        )
        splits = {}
        for split, images in decoded.images.items():
            at = decoded.positions[split]
            files = self._files(split, pictures)
            kept = tuple(files[i] for i in at) if files else ()
            splits[split] = Records(images, labels[split][at], kept)
        source: dict[str, Any] = {
            "kind": "parquet",
            "path": str(self.path.resolve()),
            "shards": {s: [p.name for p in shards] for s, shards in self.shards.items()},
            "label": label.column,
            **decoded.found.to_source(),
        }
        notes = decoded.found.notes(decoded.shape)
        if others := [c for c in found if c is not label]:
            source["other_labels"] = [c.column for c in others]
            source["groups"] = self._groups(label, others, classes)
            notes.insert(
                0,
                f"labels of column {label.column} ({len(classes)} classes); there is also "
                + ", ".join(f"{c.column} ({c.classes}; data.label={c.short})" for c in others),
            )
        name = self.path.resolve().stem if self.path.is_file() else self.path.resolve().name
        return Reading(name, classes, splits, source, tuple(notes), numbered=numbered)

    def _check_columns(self, needed: set[str]) -> None:
        for shard in [shard for shards in self.shards.values() for shard in shards]:
            if lacking := needed - set(_schema(shard).names):
                raise DataError(
                    f"{shard} lacks the column {', '.join(sorted(lacking))}, which the first shard "
                    "of train has; write all with the same columns"
                )

    def _label_columns(self, schema: Any) -> list[_Column]:
        """The columns that can be labels, the one with most classes first."""
        import pyarrow.types as types

        names = _class_labels(schema)
        found = []
        for field in schema:
            if field.name in names:
                found.append(_Column(field.name, names[field.name], len(names[field.name])))
            elif re.search(r"(^|_)labels?$", field.name) and types.is_integer(field.type):
                self._check_columns({field.name})
                columns = [self._column(split, field.name) for split in self.shards]
                top = max(int(c.max(initial=-1)) for c in columns)
                if top < sum(map(len, columns)):  # else it numbers something else than classes
                    found.append(_Column(field.name, None, top + 1))
        if not found:
            columns = ", ".join(f"{f.name} ({f.type})" for f in schema)
            raise DataError(
                f"{self.path} has no column of labels; whole numbers in a column named label are "
                f"expected, found {printable(columns, 400)}; rename or number it"
            )
        return sorted(found, key=lambda c: -c.classes)

    def _column(self, split: str, column: str) -> NDArray[np.int64]:
        """A column of whole numbers; -1 where there is none."""
        import pyarrow.parquet as pq

        parts = []
        for shard in self.shards[split]:
            with _reading(shard), pq.ParquetFile(shard) as file:
                cells = file.read(columns=[column])[column]
                parts.append(cells.cast("int64").fill_null(-1).to_numpy())
        return np.concatenate(parts)

    def _labels(self, split: str, label: _Column, classes: int) -> NDArray[np.int64]:
        labels = self._column(split, label.column)
        if not len(labels):
            raise DataError(f"{self.path}: {split} has no rows; remove it, or fetch it again")
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        if len(wrong) == len(labels):
            raise DataError(
                f"{self.path}: no row of {split} has a label of {label.column} in 0 to "
                f"{classes - 1}; was it published without labels? Remove it from the folder"
            )
        if len(wrong):
            raise DataError(
                f"{self.path}: {len(wrong):,} rows of {split} have labels outside 0 to "
                f"{classes - 1}, the first is row {wrong[0]:,} with {labels[wrong[0]]}; mend or "
                "remove them"
            )
        return labels

    def _items(self, split: str, column: str) -> Iterator[tuple[str, bytes | None]]:
        import pyarrow.parquet as pq
        import pyarrow.types as types

        for shard in self.shards[split]:
            done = 0
            with _reading(shard), pq.ParquetFile(shard) as file:
                for batch in file.iter_batches(BATCH, columns=[column]):
                    cells = batch.column(0)
                    if types.is_struct(cells.type):
                        cells = cells.field("bytes")
                    for row, raw in enumerate(cells.to_pylist(), done):
                        yield f"{shard.name} row {row:,}", raw
                    done += batch.num_rows

    def _files(self, split: str, column: str) -> list[str]:
        """The file names that the table has; none if it has none."""
        import pyarrow.parquet as pq
        import pyarrow.types as types

        files: list[str] = []
        for shard in self.shards[split]:
            kind = _schema(shard).field(column).type
            if not types.is_struct(kind) or kind.get_field_index("path") < 0:
                return []
            with _reading(shard), pq.ParquetFile(shard) as file:
                cells = file.read(columns=[f"{column}.path"])[column]
                for chunk in cells.chunks:
                    names = chunk.field("path").cast("binary").to_pylist()
                    files += [(name or b"").decode(errors="replace") for name in names]
        return files if any(files) else []

    def _groups(
        self, label: _Column, others: list[_Column], classes: tuple[str, ...]
    ) -> dict[str, dict[str, str]]:
        """For each coarser named column, the group of each class, where it has just one."""
        fine = self._column("train", label.column)
        groups = {}
        for other in others:
            pairs = np.unique(np.stack([fine, self._column("train", other.column)]), axis=1)
            if other.names is None or len(pairs[0]) != len(np.unique(pairs[0])):
                continue
            groups[other.column] = {classes[i]: other.names[j] for i, j in pairs.T.tolist()}
        return groups


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what pyarrow says of a damaged file into one line of ours."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        said = printable(" ".join(str(error).split())).rstrip(".")
        raise DataError(
            f"{path} cannot be read as parquet: {said}; fetch or write it again"
        ) from None


def _stamp(path: Path) -> Stamp:
    with _reading(path):
        return stamp(path.stat())


def _schema(path: Path) -> Any:
    import pyarrow.parquet as pq

    with _reading(path):
        schema = pq.read_schema(path)
        _ = schema.names  # what is no text is told here
        return schema


def _picture_column(schema: Any, path: Path) -> str:
    import pyarrow.types as types

    def holds_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0
        return types.is_binary(kind) or types.is_large_binary(kind)

    able = [f.name for f in schema if holds_bytes(f.type)]
    named = [name for name in PICTURES if name in able] or able
    if len(named) != 1:
        columns = printable(", ".join(f"{f.name} ({f.type})" for f in schema), 400)
        raise DataError(
            f"{path} has {len(named) or 'no'} columns that can be the pictures; one of encoded "
            f"bytes, named img or image, is expected, found {columns}"
        )
    return named[0]


def _class_labels(schema: Any) -> dict[str, tuple[str, ...]]:
    """The names that `datasets` writes into a schema, by column."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return {
        column: tuple(map(str, feature["names"]))
        for column, feature in features.items()
        if isinstance(feature, Mapping) and feature.get("names") and column in schema.names
    }


def _choose(columns: list[_Column], wanted: str | None, path: Path) -> _Column:
    if wanted is None:
        return columns[0]
    for column in columns:
        if wanted in (column.column, column.short):
            return column
    names = [c.short for c in columns]
    raise UnknownName(f"{path}: {unknown('label column', wanted, names)}")


def _class_names(
    label: _Column, given: tuple[str, ...] | None, path: Path
) -> tuple[tuple[str, ...], bool]:
    """The names of the classes, and whether they are made up."""
    if given is not None:
        if label.names is not None and given != label.names:
            raise DataError(f"{path} names its {label.classes} classes itself; leave classes out")
        if len(given) < label.classes:
            raise DataError(
                f"{path}: {len(given)} classes were given, but {label.column} runs to "
                f"{label.classes - 1}; give {label.classes} names"
            )
        return given, False
    if label.names is not None:
        return label.names, False
    return tuple(map(str, range(label.classes))), True
