"""Where the files of a data set stand: a folder, a tar (gzipped or not) or a zip.

What lies at a path, its first bytes tell, never its name. Nothing is written to disk.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from tinysight.data.containers.archives import Entry, Tar, Zip, as_data_error, check_size
from tinysight.data.containers.inflating import GZIP
from tinysight.data.containers.tar import BLOCK, DEVICE, MAX_MEMBERS, is_header
from tinysight.data.reading import stamp
from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["Container", "Entry", "Folder", "open_container", "skipped_note"]

_WEB = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<script")
_OTHERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"(\xb5/\xfd": "Zstandard",
    b"7z\xbc\xaf'\x1c": "7-Zip",
    b"Rar!": "RAR",
}


# What is no data set alone, and what to do with it.
_ALONE = {
    b"\x80": "a pickle; of pickles CIFAR's own are read: give the folder that it lies in",
    b"\x93NUMPY": "one array (.npy); give pictures and labels in one .npz, as images and labels",
    b"\x89PNG": "a picture; give the folder of the pictures, with a folder for each class",
    b"\xff\xd8\xff": "a picture; give the folder of the pictures, with a folder for each class",
}
MAX_DEPTH = 40  # folders in folders
EXPECTED = "a folder, an archive, or a .parquet, .npz, .csv or IDX file is expected"


class Container(Protocol):
    """Files under one path.

    Attributes:
        kind: "folder", "tar", "tar.gz" or "zip".
        skipped: what was left out, counted by kind; filled as the container is gone through.
    """

    path: Path
    kind: str
    skipped: Counter[str]

    def entries(self) -> list[Entry]:
        """Return all regular files in the order they stand; a tar.gz is unpacked for it, once."""
        ...

    def locate(self, names: Collection[str]) -> list[Entry]:
        """Return the files that have one of these names, whatever folder they stand in.

        In a folder only itself and the folders directly in it are looked at, which costs little
        however many files there are.
        """
        ...

    def read(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of the files named in `sizes`, in the order they stand.

        Raises:
            DataError: a file has more bytes than `sizes` says, is missing or there twice; the
                container is damaged or cut short.
        """
        ...

    def identity(self, names: Iterable[str] = ()) -> list[Any]:
        """Return plain values that change when the archive does, or these files of a folder."""
        ...


def open_container(path: Path) -> Container:
    """Return what lies at a path; its table of contents is not read yet.

    Raises:
        DataError: nothing is there, or neither a folder nor an archive that is read.
    """
    with as_data_error(path):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return Folder(path)
        if not stat.S_ISREG(mode):  # a pipe would keep us waiting
            raise DataError(f"{path} is neither a file nor a folder; give one")
        with path.open("rb") as file:
            start = file.read(BLOCK)
    if start.startswith(GZIP):
        return Tar(path, "tar.gz")
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        return Zip(path, "zip")
    if is_header(start):
        return Tar(path, "tar")
    raise DataError(_what_it_is(path, start))


def skipped_note(container: Container) -> list[str]:
    """Return a line on what was left out, or none."""
    if not container.skipped:
        return []
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in container.skipped.most_common())
    return [f"left out of {printable(container.path.name)}: {kinds}"]


class Folder:
    """A folder of the user's own.

    A link to a file counts as the file. One to a folder is looked into by `locate` alone, which
    goes one folder deep; `entries` counts it as left out.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.kind = path, "folder"
        self.skipped: Counter[str] = Counter()
        self._entries: list[Entry] | None = None

    def entries(self) -> list[Entry]:
        """Return all files below, sorted by folder and name."""
        if self._entries is None:
            self.skipped.clear()
            found: list[Entry] = []
            with as_data_error(self.path):
                self._walk(self.path, "", found)
            self._entries = found
        return self._entries

    def _walk(self, folder: Path, below: str, found: list[Entry]) -> None:
        if below.count("/") > MAX_DEPTH:
            raise DataError(
                f"{self.path} has folders more than {MAX_DEPTH} deep; give the folder of the data "
                "set alone"
            )
        inside = []
        with os.scandir(folder) as listed:
            for entry in sorted(listed, key=lambda e: e.name):
                if entry.is_file():
                    found.append(Entry(below + entry.name, entry.stat().st_size))
                elif entry.is_symlink():
                    self.skipped["link"] += 1
                elif entry.is_dir():
                    inside.append(entry.name)
                else:
                    self.skipped[DEVICE] += 1
        if len(found) > MAX_MEMBERS:
            raise DataError(
                f"{self.path} has more than {MAX_MEMBERS:,} files, which are not read; give the "
                "folder of the data set alone"
            )
        for name in inside:
            self._walk(folder / name, f"{below}{name}/", found)

    def locate(self, names: Collection[str]) -> list[Entry]:
        """Return the files that have one of these names, here or one folder down."""
        with as_data_error(self.path):
            with os.scandir(self.path) as listed:
                folders = sorted(f"{entry.name}/" for entry in listed if entry.is_dir())
            places = [f"{folder}{name}" for folder in ("", *folders) for name in sorted(names)]
            # pathlib would take four times as long, which counts with thousands of folders.
            found = [p for p in places if os.path.isfile(f"{self.path}/{p}")]  # noqa: PTH113
            return [Entry(place, (self.path / place).stat().st_size) for place in found]

    def read(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of the files named in `sizes`, by name."""
        for name in sorted(sizes):
            path = self.path / name
            with as_data_error(path):
                if not stat.S_ISREG(path.stat().st_mode):
                    raise DataError(f"{path} is not a regular file; fetch or copy it again")
                with path.open("rb") as file:
                    check_size(str(path), os.fstat(file.fileno()).st_size, sizes[name])
                    raw = file.read(sizes[name] + 1)
            check_size(str(path), len(raw), sizes[name])
            yield name, raw

    def identity(self, names: Iterable[str] = ()) -> list[Any]:
        """Return plain values that change when one of the files does."""
        with as_data_error(self.path):
            stats = [[name, *stamp((self.path / name).stat())] for name in sorted(names)]
            return [str(self.path.resolve()), stats]


def _what_it_is(path: Path, start: bytes) -> str:
    """What a file is that is no archive."""
    if not start:
        return f"{path} is empty (0 bytes); fetch or copy it again"
    wanted = {".gz": "gzip", ".tgz": "gzip", ".zip": "zip", ".tar": "tar"}
    kind = wanted.get(path.suffix.lower(), "gzip, tar or zip")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.lower().startswith(_WEB):
        shown = printable(text[:5].decode("latin-1"))
        return (
            f"{path} starts with '{shown}', not {kind}: a web page was saved in its place; "
            "fetch it again"
        )
    if text.startswith(b"version https://git-lfs"):
        return f"{path} is a Git LFS pointer, not the file itself; fetch it with git lfs pull"
    if other := next((name for magic, name in _OTHERS.items() if start.startswith(magic)), None):
        return f"{path} is {other}, which is not read; unpack it first and give the folder"
    if other := next((name for magic, name in _ALONE.items() if start.startswith(magic)), None):
        return f"{path} is {other}"
    shown = printable(start[:12].decode("latin-1"))
    return f"{path} starts with '{shown}', not {kind}: no archive; {EXPECTED}"
