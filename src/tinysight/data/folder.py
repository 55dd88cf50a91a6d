"""Folders of pictures: `split/class/*`, or `class/*` where the test split is then cut off.

Pictures lie directly in their class's folder. Hidden files and files that are no pictures by
their ending are skipped and counted. The classes are the folders' names, sorted; all of them
whole numbers: by number.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinysight.data.decoding import Stream, decode_all
from tinysight.data.reading import SPLIT_NAMES, Options, Reading, Records
from tinysight.errors import DataError, UsageError
from tinysight.pictures.formats import READ, REFUSED, printable

__all__ = ["Folder", "find"]


@dataclass
class _Listing:
    """One folder's own content; what is skipped goes by its ending."""

    folders: list[Path] = field(default_factory=list)
    pictures: list[tuple[str, int, int]] = field(default_factory=list)  # name, size, mtime_ns
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Folder:
    """A folder of pictures, found but not decoded.

    Attributes:
        files: for each split its pictures: path below `path`, class, size, mtime_ns.
    """

    path: Path
    classes: tuple[str, ...]
    files: dict[str, list[tuple[str, int, int, int]]]
    notes: tuple[str, ...]

    def identity(self) -> list[Any]:
        """Return plain values that change when a file does."""
        return ["folder", str(self.path.resolve()), list(self.classes), self.files, self.notes]

    def read(self, options: Options) -> Reading:
        """Decode the pictures.

        Raises:
            DataError: pictures that cannot be read, and `skip_bad` is off.
        """
        if options.classes is not None:
            raise UsageError(
                f"classes were given, but {self.path} names its classes by its folders"
            )
        if options.settings.label is not None:
            raise UsageError(
                f"data.label={options.settings.label!r} picks a label column of a table; "
                f"{self.path} is a folder of pictures"
            )
        streams = {
            split: Stream(len(files), lambda files=files: self._items(files))
            for split, files in self.files.items()
        }
        decoded = decode_all(
            streams, options.settings.size, skip_bad=options.skip_bad, progress=options.progress
        )
        splits = {}
        for split, files in self.files.items():
            kept = [files[i] for i in decoded.positions[split]]
            splits[split] = Records(
                decoded.images[split],
                np.array([label for _, label, _, _ in kept], np.int64),
                tuple(name for name, _, _, _ in kept),
            )
        source = {"kind": "folder", "path": str(self.path.resolve()), **decoded.found.to_source()}
        notes = (*self.notes, *decoded.found.notes(decoded.shape))
        return Reading(self.path.resolve().name, self.classes, splits, source, notes)

    def _items(self, files: list[tuple[str, int, int, int]]) -> Iterable[tuple[str, Path]]:
        return ((printable(name), self.path / name) for name, _, _, _ in files)


def find(path: Path) -> Folder:
    """List a folder of pictures and tell its layout.

    Raises:
        DataError: it has no pictures in class folders, fewer than two classes, an empty class,
            or classes that cannot be told apart.
    """
    top = _list(path)
    split_folders = _split_folders(path, top)
    notes: list[str] = []
    skipped = Counter(top.skipped)
    if split_folders:
        skipped += Counter({"folder outside the splits": len(top.folders) - len(split_folders)})
        listed = {}
        for split, folder in split_folders.items():
            inside = _list(folder)
            if split != "train" and inside.pictures and not inside.folders:
                notes.append(
                    f"{folder.name}/ has {len(inside.pictures):,} pictures without class folders: "
                    "without labels, left out"
                )
                continue
            skipped += inside.skipped
            skipped += Counter({"picture outside a class folder": len(inside.pictures)})
            listed[split] = _classes(path, inside.folders, skipped)
    else:
        listed = {"train": _classes(path, top.folders, skipped)}
        if top.folders:
            skipped += Counter({"picture outside a class folder": len(top.pictures)})
    classes = _check(path, top, listed)
    files = {
        split: [
            (name, classes.index(label), size, changed)
            for label in classes
            for name, size, changed in found.get(label, [])
        ]
        for split, found in listed.items()
    }
    for split in [s for s, found in files.items() if not found]:
        notes.append(f"{split}/ has no pictures: taken as not there")
        del files[split]
    for split, found in listed.items():
        if split in files and (absent := [c for c in classes if not found.get(c)]):
            notes.append(f"{split} has no picture of {_names(absent)}")
    if skipped := +skipped:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in skipped.most_common(8))
        notes.append(f"skipped {skipped.total():,} files or folders that are no pictures: {kinds}")
    return Folder(path, classes, files, tuple(notes))


def _list(path: Path) -> _Listing:
    """What lies directly in a folder."""
    found = _Listing()
    try:
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 (three times as fast)
                # "@eaDir" and "__MACOSX" hold thumbnails and forks that systems leave behind.
                if entry.name.startswith((".", "@", "__MACOSX")):
                    found.skipped["hidden"] += 1
                elif entry.is_dir():
                    found.folders.append(Path(entry.path))
                elif ending in READ | REFUSED and entry.is_file():
                    stat = entry.stat()
                    found.pictures.append((entry.name, stat.st_size, stat.st_mtime_ns))
                else:
                    found.skipped[printable(ending, 12) or "without ending"] += 1
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be read: {error.strerror}") from None
    return found


def _split_folders(path: Path, top: _Listing) -> dict[str, Path]:
    """The folders that are splits; none where the layout is `class/*`."""
    found: dict[str, Path] = {}
    for folder in top.folders:
        split = SPLIT_NAMES.get(folder.name.lower())
        inside = _list(folder) if split else _Listing()
        # A class may be called "train"; a split holds folders, or pictures beside a real split.
        if split is None or not (inside.folders or (split != "train" and inside.pictures)):
            continue
        if split in found:
            raise DataError(
                f"{path} has two folders for {split}: {found[split].name} and {folder.name}"
            )
        found[split] = folder
    if "train" in found:
        return found
    if any(_list(folder).folders for folder in found.values()):
        raise DataError(
            f"{path} has {_names([f.name for f in found.values()])} but no train folder"
        )
    return {}


def _classes(
    root: Path, folders: Iterable[Path], skipped: Counter[str]
) -> dict[str, list[tuple[str, int, int]]]:
    """For each class its pictures, named from `root`."""
    found = {}
    for folder in folders:
        inside = _list(folder)
        if inside.folders:
            raise DataError(
                f"class folder {printable(str(folder.relative_to(root)))} in {root} holds the "
                f"folder {printable(inside.folders[0].name)!r}; pictures must lie directly in the "
                "folder of their class: split/class/* or class/*"
            )
        skipped += inside.skipped
        below = folder.relative_to(root).as_posix()
        # A Mac may write an accented letter as two characters, and other systems as one.
        name = unicodedata.normalize("NFC", folder.name)
        found[name] = [(f"{below}/{n}", size, changed) for n, size, changed in inside.pictures]
    return found


def _check(
    path: Path, top: _Listing, listed: Mapping[str, Mapping[str, list[Any]]]
) -> tuple[str, ...]:
    """The classes in their order, once it is sure that they can be trained on."""
    train = listed["train"]
    if not any(train.values()):
        loose = f"; {len(top.pictures):,} pictures lie in it directly" if top.pictures else ""
        raise DataError(
            f"{path} has no pictures in class folders{loose}; expected split/class/* or class/* "
            f"with {', '.join(sorted(e[1:] for e in READ))}, or parquet files"
        )
    seen: dict[str, str] = {}
    for name in sorted({name for found in listed.values() for name in found}):
        if (twin := seen.setdefault(name.casefold(), name)) != name:
            raise DataError(
                f"{path} has class folders {twin!r} and {name!r}, which differ in case alone; "
                "merge them or rename one"
            )
    counts = ", ".join(f"{printable(c, 40)} {len(f):,}" for c, f in list(train.items())[:20])
    if empty := [c for c, found in train.items() if not found]:
        raise DataError(
            f"{path} has classes without a picture in train: {_names(empty)} (counts: {counts}); "
            "fill or remove them"
        )
    if len(train) < 2:
        raise DataError(f"{path} has one class alone ({counts}); two or more are needed")
    for split, found in listed.items():
        if strange := [c for c, files in found.items() if files and c not in train]:
            raise DataError(f"{path}: {split} has classes that train lacks: {_names(strange)}")
    if all(name.isdecimal() for name in train):
        return tuple(sorted(train, key=lambda name: (int(name), name)))
    return tuple(sorted(train))


def _names(names: list[str]) -> str:
    shown = ", ".join(repr(printable(n, 40)) for n in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
