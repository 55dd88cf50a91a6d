"""CSV text that lists pictures, as rows.

The first line names the columns, in any case and order: the path is `path`, `file`, `filename`,
`file_name`, `filepath`, `image` or `image_path`; labels are columns named `label`, `class` or
`target`, also as in `fine_label`; `split` holds names of splits. Fields are parted by commas,
semicolons or tabs, and quoted as RFC 4180 has it; the text is UTF-8.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinysight.data.containers.archives import as_data_error
from tinysight.data.reading import SPLIT_NAMES
from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["ENDINGS", "LABEL", "Row", "is_listing", "rows_of"]

ENDINGS = (".csv", ".tsv")
PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path")
LABEL = re.compile(r"(?:(.+)_)?(?:label|class|target)(?:_name)?s?")
MAX_BYTES = 64 * 2**20  # a million rows of sixty letters


@dataclass(frozen=True, slots=True)
class Row:
    """A picture: where it is named, its path, its split if any, and its labels by column."""

    table: Path
    line: int
    path: str
    split: str | None
    labels: tuple[str, ...]

    def __str__(self) -> str:
        return f"{printable(self.table.name)} line {self.line:,}"


@dataclass(frozen=True)
class _Columns:
    """What the first line says; positions, and -1 where there is no column of splits."""

    delimiter: str
    n: int
    path: int
    split: int
    labels: dict[str, int]


def is_listing(path: Path) -> bool:
    """Return whether a file's first line names the columns that are needed."""
    if not path.is_file():
        return False
    with as_data_error(path), path.open("rb") as file:
        start = file.read(4096)
    return _columns(path, start.decode("utf-8-sig", "replace")) is not None


def rows_of(path: Path, seen: dict[str, Row]) -> tuple[tuple[str, ...], list[Row]]:
    """Return the names of the columns of labels, and the rows.

    Args:
        path: the table.
        seen: rows by their path, to be filled; shared where several tables belong together.

    Raises:
        DataError: no UTF-8 text, no CSV, no such columns, a row that is not complete, an unknown
            split, or a picture that is listed twice.
    """
    text = _text(path)
    columns = _columns(path, text)
    if columns is None:
        first = printable(_first_line(text))
        raise DataError(
            f"{path}: a first line that names the columns is expected, path,label or "
            f"path,label,split; found {first!r}"
        )
    rows = []
    for row in _parsed(path, text, columns):
        if (twin := seen.setdefault(os.path.normpath(row.path), row)) is not row:
            raise DataError(f"{row} lists {printable(row.path)} again, as {twin} does; remove one")
        rows.append(row)
    return tuple(columns.labels), rows


def _text(path: Path) -> str:
    with as_data_error(path):
        if (size := path.stat().st_size) > MAX_BYTES:
            raise DataError(f"{path} has {size:,} bytes; at most {MAX_BYTES:,} are read of a table")
        raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} line {line:,}: the byte 0x{raw[error.start]:02x} is no UTF-8; save the table "
            "as UTF-8"
        ) from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise DataError(f"{path} line {line:,} has a NUL, which no text has; write the table again")
    return text


def _columns(path: Path, text: str) -> _Columns | None:
    """The columns that the first line names; None if it names no path or no label."""
    for delimiter in ",;\t":
        try:
            row = next(csv.reader([_first_line(text)], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [name.strip().lower() for name in row]
        paths = [name for name in PATHS if name in names]
        labels = [name for name in names if LABEL.fullmatch(name)]
        if not (paths and labels):
            continue
        for name in [paths[0], "split", *labels]:
            if names.count(name) > 1:
                raise DataError(f"{path} names the column {printable(name)} twice; rename one")
        split = names.index("split") if "split" in names else -1
        places = {name: names.index(name) for name in labels}
        return _Columns(delimiter, len(names), names.index(paths[0]), split, places)
    return None


def _first_line(text: str) -> str:
    return re.split("[\r\n]", text, maxsplit=1)[0]


def _parsed(path: Path, text: str, columns: _Columns) -> Iterator[Row]:
    one_copy: dict[str, str] = {}
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=columns.delimiter, strict=True)
    try:
        next(lines)
        for fields in lines:
            if not any(fields):
                continue
            line = lines.line_num
            if len(fields) != columns.n:
                raise DataError(
                    f"{path} line {line:,}: {columns.n} fields are expected as in the first line, "
                    f"found {len(fields)}"
                )
            if not (name := fields[columns.path].strip()):
                raise DataError(f"{path} line {line:,} names no picture; fill or remove it")
            split = None
            if columns.split >= 0:
                said = fields[columns.split].strip()
                if (split := SPLIT_NAMES.get(said.lower())) is None:
                    raise DataError(
                        f"{path} line {line:,}: the split {printable(said)!r} is unknown; train, "
                        "validation (valid, val, dev) or test is expected"
                    )
            # A Mac may write an accented letter as two characters, and other systems as one.
            texts = (
                unicodedata.normalize("NFC", fields[i].strip()) for i in columns.labels.values()
            )
            labels = tuple(one_copy.setdefault(text, text) for text in texts)
            yield Row(path, line, name, split, labels)
    except csv.Error as error:
        raise DataError(f"{path} line {lines.line_num:,} is no CSV: {error}") from None
