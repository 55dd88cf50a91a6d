"""Folders of pictures: `split/class/*`, or `class/*` where the test split is then cut off.

Pictures lie directly in their class's folder. Hidden files, files that are no pictures by their
ending, and run folders (`tinysight train .` writes runs/ here) are skipped and counted. The classes
are the folders' names, sorted; all of them whole numbers: by number.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from tinysight.data.dataset import quoted
from tinysight.data.labels import is_text
from tinysight.data.readers.decoding import Stream, decode_all
from tinysight.data.reading import SPLIT_NAMES, Options, Reading, Records, Stamp, stamp
from tinysight.errors import DataError, UsageError
from tinysight.pictures.formats import READ, REFUSED, printable
from tinysight.run.lock import LOCK

__all__ = ["Folder", "find", "is_run"]

_PICTURES = READ | REFUSED
ARCHIVES = (".gz", ".tgz", ".tar", ".zip")


@dataclass
class _Listing:
    """One folder's own content; what is skipped goes by its ending."""

    folders: list[Path] = field(default_factory=list)
    pictures: list[tuple[str, Stamp]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Folder:
    """A folder of pictures, found but not decoded.

    Attributes:
        files: for each split its pictures: path below `path`, class, stamp.
    """

    path: Path
    classes: tuple[str, ...]
    files: dict[str, list[tuple[str, int, Stamp]]]
    notes: tuple[str, ...]

    def identity(self) -> list[Any]:
        """Return plain values that change when a file does; see `reading.stamp`."""
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
                np.array([label for _, label, _ in kept], np.int64),
                tuple(name for name, _, _ in kept),
            )
        source = {"kind": "folder", "path": str(self.path.resolve()), **decoded.found.to_source()}
        notes = (*self.notes, *decoded.found.notes(decoded.shape))
        return Reading(self.path.resolve().name, self.classes, splits, source, notes)

    def _items(self, files: list[tuple[str, int, Stamp]]) -> Iterable[tuple[str, Path]]:
        return ((printable(name), self.path / name) for name, _, _ in files)


def find(path: Path) -> Folder:
    """List a folder of pictures and tell its layout.

    Raises:
        DataError: it has no pictures in class folders, fewer than two classes, an empty class,
            or classes that cannot be told apart or written down.
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
            (name, label, changed)
            for label, own in enumerate(classes)
            for name, changed in found.get(own, [])
        ]
        for split, found in listed.items()
    }
    for split in [s for s, found in files.items() if not found]:
        notes.append(f"{split}/ has no pictures: taken as not there")
        del files[split]
    if skipped := +skipped:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in skipped.most_common(8))
        notes.append(f"skipped {skipped.total():,} files or folders that are no pictures: {kinds}")
    return Folder(path, classes, files, tuple(notes))


def _list(path: Path) -> _Listing:
    """What lies directly in a folder."""
    found = _Listing()
    try:
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=attrgetter("name")):
                _, dot, ending = entry.name.lower().rpartition(".")
                # "@eaDir" and "__MACOSX" hold thumbnails and forks that systems leave behind.
                if entry.name.startswith((".", "@", "__MACOSX")):
                    found.skipped["hidden"] += 1
                elif entry.is_dir():
                    if _is_of_runs(entry.path):
                        found.skipped["run folder"] += 1
                    else:
                        found.folders.append(Path(entry.path))
                elif dot + ending in _PICTURES and entry.is_file():
                    found.pictures.append((entry.name, stamp(entry.stat())))
                else:
                    found.skipped[printable(dot + ending, 12) if dot else "without ending"] += 1
    except OSError as error:
        where = printable(str(error.filename or path), 400)
        raise DataError(
            f"{where} cannot be read: {error.strerror}; mend it or move it away"
        ) from None
    return found


def is_run(path: str | Path) -> bool:
    """Whether this is the folder of a run, or has just been claimed for one."""
    here = Path(path)
    try:
        whole = (here / "recipe.json").is_file() and (here / "data.json").is_file()
        return whole or (here / LOCK).is_file()
    except OSError:  # it may not be looked into; who needs it will say so
        return False


def _is_of_runs(path: str) -> bool:
    """Whether a folder is a run's, or holds those of runs and beside them no picture."""
    if is_run(path):
        return True
    runs = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir() and not entry.name.startswith("."):
                    if not is_run(entry.path):
                        return False
                    runs += 1
                elif Path(entry.name).suffix.lower() in _PICTURES:
                    return False  # at once, in the folder of a class
    except OSError:
        return False
    return runs > 0


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
                f"{path} has two folders for {split}: {found[split].name} and {folder.name}; "
                "merge them or rename one"
            )
        found[split] = folder
    if "train" in found:
        return found
    if any(_list(folder).folders for folder in found.values()):
        raise DataError(
            f"{path} has {quoted([f.name for f in found.values()])} but no train folder; add one "
            "as train/class/*"
        )
    return {}


def _classes(
    root: Path, folders: Iterable[Path], skipped: Counter[str]
) -> dict[str, list[tuple[str, Stamp]]]:
    """For each class its pictures, named from `root`."""
    found = {}
    for folder in folders:
        inside = _list(folder)
        if inside.folders:
            raise DataError(
                f"class folder {printable(str(folder.relative_to(root)))} in {root} holds the "
                f"folder {printable(inside.folders[0].name)!r}; pictures must lie directly in the "
                "folder of their class: split/class/* or class/*; move them up, or that folder away"
            )
        skipped += inside.skipped
        below = folder.relative_to(root).as_posix()
        # A Mac may write an accented letter as two characters, and other systems as one.
        name = unicodedata.normalize("NFC", folder.name)
        if name in found:
            raise DataError(
                f"{root} has two class folders {quoted([name])}, which differ in how their accents "
                "are stored alone; merge them or rename one"
            )
        if not is_text(name):
            raise DataError(
                f"{root} has a class folder {os.fsencode(folder.name)!r}, whose name is no text "
                "(UTF-8) and could not be written into reports; rename it"
            )
        found[name] = [(f"{below}/{n}", changed) for n, changed in inside.pictures]
    return found


def _check(
    path: Path, top: _Listing, listed: Mapping[str, Mapping[str, list[Any]]]
) -> tuple[str, ...]:
    """The classes in their order, once it is sure that they can be trained on."""
    train = listed["train"]
    if not any(train.values()):
        loose = f"; {len(top.pictures):,} pictures lie in it directly" if top.pictures else ""
        archives = sorted(p for p in path.iterdir() if p.suffix.lower() in ARCHIVES)
        there = f"; it holds {quoted([p.name for p in archives])}: give that" if archives else ""
        raise DataError(
            f"{path} has no pictures in class folders{loose}{there}; expected split/class/* or "
            f"class/* with {', '.join(sorted(e[1:] for e in READ))}, or another layout that is "
            "read: CIFAR, IDX, parquet, .npz, CSV, Tiny ImageNet"
        )
    seen: dict[str, str] = {}
    for name in sorted({name for found in listed.values() for name in found}):
        if (twin := seen.setdefault(name.casefold(), name)) != name:
            raise DataError(
                f"{path} has class folders {quoted([twin])} and {quoted([name])}, which differ in "
                "case alone; merge them or rename one"
            )
    counts = ", ".join(f"{printable(c, 40)} {len(f):,}" for c, f in list(train.items())[:20])
    if empty := [c for c, found in train.items() if not found]:
        raise DataError(
            f"{path} has classes without a picture in train: {quoted(empty)} (counts: {counts}); "
            "fill or remove them"
        )
    if len(train) < 2:
        raise DataError(f"{path} has one class alone ({counts}); two or more are needed: add one")
    for split, found in listed.items():
        if strange := [c for c, files in found.items() if files and c not in train]:
            raise DataError(
                f"{path}: {split} has pictures of classes that train lacks: {quoted(strange)}; add "
                f"some to train, or take them out of {split}"
            )
    if all(name.isdecimal() for name in train):
        return tuple(sorted(train, key=lambda name: (int(name), name)))
    return tuple(sorted(train))
