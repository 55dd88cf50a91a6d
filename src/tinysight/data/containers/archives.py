"""Tar and zip archives, gone through from front to back and never unpacked to disk.

Only regular files are read: links, devices and names that lead out of the archive are left out and
counted. Reading stops at the size that the caller expects, whatever a header says.
"""

from __future__ import annotations

import os
import stat
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tinysight.data.containers.inflating import Inflated, Stored
from tinysight.data.containers.tar import DEVICE, MAX_MEMBERS, Headers, inside
from tinysight.data.reading import stamp
from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["Archive", "Entry", "Tar", "Zip", "as_data_error", "check_size"]

MAX_RATIO = 50  # of unpacked to packed bytes; photographs stay under 2, drawn digits under 10
ALWAYS_UNPACKED = 2**28  # so many bytes are unpacked whatever the ratio
MAX_DIRECTORY = 200 * MAX_MEMBERS  # bytes of a zip's table of contents


@dataclass(frozen=True)
class Entry:
    """A regular file: its path in the container, with / between folders, and its bytes."""

    name: str
    size: int


class Archive(ABC):
    """A file that holds files; see `containers.Container`."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        self.skipped: Counter[str] = Counter()
        self._entries: list[Entry] | None = None

    def entries(self) -> list[Entry]:
        """Return all regular files in the order they stand."""
        if self._entries is None:
            self._entries = [entry for entry, _ in self._members({})]
        return self._entries

    def locate(self, names: Collection[str]) -> list[Entry]:
        """Return the files that have one of these names, whatever folder they stand in."""
        return [entry for entry in self.entries() if entry.name.rpartition("/")[2] in names]

    def read(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of the files named in `sizes`, in the order they stand."""
        lacking = set(sizes)
        for entry, raw in self._members(sizes):
            if raw is None:
                continue
            if entry.name not in lacking:
                raise DataError(
                    f"{self.path} holds {printable(entry.name)} twice; it cannot be told which "
                    "is meant: pack it again"
                )
            lacking.remove(entry.name)
            yield entry.name, raw
        if lacking:
            names = ", ".join(printable(name) for name in sorted(lacking)[:10])
            raise DataError(f"{self.path} lacks {names}; fetch or copy it again")

    def identity(self, names: Iterable[str] = ()) -> list[Any]:  # noqa: ARG002
        """Return plain values that change when the archive does."""
        with as_data_error(self.path):
            return [str(self.path.resolve()), *stamp(self.path.stat())]

    @abstractmethod
    def _members(self, sizes: Mapping[str, int]) -> Iterator[tuple[Entry, bytes | None]]:
        """All regular files; with their content those in `sizes` alone."""


class Tar(Archive):
    """A tar, gzipped or not."""

    def _members(self, sizes: Mapping[str, int]) -> Iterator[tuple[Entry, bytes | None]]:
        self.skipped.clear()
        where = str(self.path)
        with as_data_error(self.path), self.path.open("rb") as file:
            if self.kind == "tar":
                stream, most = Stored(file), 2**63
            else:
                stream = Inflated(file, where)
                most = max(ALWAYS_UNPACKED, MAX_RATIO * os.fstat(file.fileno()).st_size)
            headers = Headers(stream, where, most)
            for name, size in headers.files(self.skipped):
                raw = None
                if name in sizes:
                    check_size(f"{where}: {printable(name)}", size, sizes[name])
                    raw = stream.read(size)
                    if len(raw) < size:
                        raise headers.cut_short(name)
                yield Entry(name, size), raw
            headers.finish()


class Zip(Archive):
    """A zip of stored and deflated files."""

    def _members(self, sizes: Mapping[str, int]) -> Iterator[tuple[Entry, bytes | None]]:
        self.skipped.clear()
        with as_data_error(self.path), self.path.open("rb") as raw:
            _check_directory(raw, self.path)
            with _zip_errors(str(self.path)):
                file = zipfile.ZipFile(raw)
            packed = os.fstat(raw.fileno()).st_size
            wanted = sum(i.file_size for i in file.infolist() if inside(i.filename) in sizes)
            if wanted > (most := max(ALWAYS_UNPACKED, MAX_RATIO * packed)):
                raise DataError(
                    f"{self.path} would unpack to {wanted:,} bytes from {packed:,}; {most:,} are "
                    "read at most: fetch it again, or unpack it and give the folder"
                )
            for info in file.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if info.filename.endswith("/"):
                    continue
                if kind not in (0, stat.S_IFREG):
                    self.skipped["link" if kind == stat.S_IFLNK else DEVICE] += 1
                elif (name := inside(info.filename)) is None:
                    self.skipped["with a name that leads outside"] += 1
                else:
                    most = sizes.get(name)
                    content = None if most is None else self._content(file, info, most)
                    yield Entry(name, info.file_size), content

    def _content(self, file: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
        where = f"{self.path}: {printable(info.filename)}"
        if info.flag_bits & 1:
            raise DataError(f"{where} is encrypted; unpack it first and give the folder")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{where} is packed by method {info.compress_type}; stored and deflated files are "
                "read: unpack it first and give the folder"
            )
        check_size(where, info.file_size, most)
        with _zip_errors(where), file.open(info) as member:
            raw = member.read(most + 1)
            if len(raw) < info.file_size:
                raise EOFError
            return raw


@contextmanager
def as_data_error(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into one line of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{error.filename or path}: no such file or folder") from None
    except OSError as error:
        where = error.filename or path
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from None


def check_size(where: str, found: int, most: int) -> None:
    """Refuse a file that has more bytes than expected."""
    if found > most:
        raise DataError(
            f"{where} has {found:,} bytes; {most:,} are expected at most: fetch or copy it again"
        )


def _check_directory(file: BinaryIO, path: Path) -> None:
    """Refuse a table of contents that would fill the memory; zipfile reads all of it at once."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16 - 100))
    tail = file.read()
    at, at64 = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    said = [
        int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0,
        int.from_bytes(tail[at64 + 40 : at64 + 48], "little") if at64 >= 0 else 0,
    ]
    if min(max(said), size) > MAX_DIRECTORY:
        raise DataError(
            f"{path} has a table of contents of {max(said):,} bytes; at most {MAX_DIRECTORY:,} "
            "are read; unpack it first and give the folder"
        )


@contextmanager
def _zip_errors(where: str) -> Iterator[None]:
    """Turn what zipfile says of a damaged file into one line of ours."""
    try:
        yield
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a damaged file can trip any line of zipfile
        said = printable(" ".join(str(error).split())) or "it ends too early"
        raise DataError(f"{where} is damaged as zip ({said}); fetch or copy it again") from None
