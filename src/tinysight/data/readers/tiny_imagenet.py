"""Tiny ImageNet's tree, in a folder or an archive.

    wnids.txt                    the classes, by their WordNet ids
    words.txt                    what people call them
    train/<wnid>/images/*.JPEG
    val/images/*.JPEG            and val/val_annotations.txt: file, wnid and a box in each line
    test/images/*.JPEG           without labels

`val` serves as test. Many have it sorted into val/<wnid>/, which is taken as well. The classes are
in the order of their ids, as they are where each is a folder.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinysight.data.containers import Container, open_container, skipped_note
from tinysight.data.containers.archives import as_data_error
from tinysight.data.dataset import quoted
from tinysight.data.labels import check_classes
from tinysight.data.readers.decoding import Item, Stream, decode_all
from tinysight.data.reading import Options, Reading, Records, stamp
from tinysight.errors import DataError, UsageError
from tinysight.pictures.formats import READ, REFUSED, printable

__all__ = ["TinyImagenet", "find"]

WNIDS, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"
MAX_TEXT = 16 * 2**20  # words.txt has 2.6 MB
MAX_PICTURE = 16 * 2**20  # of 64 x 64 pixels; 2 kB as published


@dataclass
class _Tree:
    """The pictures of a tree, by their names in the container; what each class is called."""

    train: dict[str, str] = field(default_factory=dict)  # wnid of each picture
    val: dict[str, str] = field(default_factory=dict)
    flat: dict[str, str] = field(default_factory=dict)  # val/images: file name of each picture
    unlabelled: int = 0
    elsewhere: int = 0  # pictures that stand where none belong
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TinyImagenet:
    """Tiny ImageNet's tree, found but not read; `root` is where in the container, "" or "x/"."""

    container: Container
    root: str

    def identity(self) -> list[Any]:
        """Return plain values that change when a file does; nothing is unpacked for it."""
        known = ["tiny-imagenet", self.root, *self.container.identity()]
        if self.container.kind != "folder":
            return known
        folder, digest = str(self.container.path), hashlib.sha256()
        with as_data_error(self.container.path):
            for entry in self.container.entries():
                about = os.stat(f"{folder}/{entry.name}")  # noqa: PTH116 (five times as fast)
                digest.update(b"%b\0%d %d %d\n" % (os.fsencode(entry.name), *stamp(about)))
        return [*known, digest.hexdigest()]

    def read(self, options: Options) -> Reading:
        """Decode the pictures.

        Raises:
            DataError: the tree is not complete or does not agree with its lists; pictures that
                cannot be read, and `skip_bad` is off.
            UsageError: names or a column of labels were given.
        """
        path = self.container.path
        if options.classes is not None:
            raise UsageError(f"classes were given, but {path} names its classes in {WNIDS}")
        if options.settings.label is not None:
            raise UsageError(
                f"data.label={options.settings.label!r} picks a label column of a table; Tiny "
                f"ImageNet in {path} has one label a picture"
            )
        tree = self._tree()
        texts = self._texts(tree)
        wnids = self._wnids(texts[WNIDS])
        missing = self._annotate(tree, texts.get(ANNOTATIONS), wnids, skip=options.skip_bad)
        labelled = {"train": tree.train, "test": tree.val}
        notes = self._check(labelled, wnids)
        names = _names(wnids, texts.get(WORDS, ""))
        check_classes(names)
        order = {split: self._order(own) for split, own in labelled.items()}
        streams = {
            s: Stream(len(own), lambda own=own: self._items(own)) for s, own in order.items()
        }
        decoded = decode_all(
            streams, options.settings.size, skip_bad=options.skip_bad, progress=options.progress
        )
        place = {wnid: i for i, wnid in enumerate(wnids)}
        splits = {}
        for split, images in decoded.images.items():
            kept = [order[split][i] for i in decoded.positions[split]]
            labels = np.array([place[labelled[split][name]] for name in kept], np.int64)
            files = tuple(name.removeprefix(self.root) for name in kept)
            splits[split] = Records(images, labels, files)
        decoded.found.unreadable += missing
        source = {
            "kind": "tiny-imagenet",
            "path": str(path.resolve()),
            "container": self.container.kind,
            "wnids": wnids,
            "test": "val",
            **decoded.found.to_source(),
        }
        if WORDS not in texts:
            notes.append(f"without {WORDS} the classes are called by their WordNet ids")
        notes.append("its val split serves as test: the test split has no labels")
        if tree.unlabelled:
            notes.append(f"test/ has {tree.unlabelled:,} pictures without labels, left out")
        if tree.elsewhere:
            notes.append(
                f"{tree.elsewhere:,} pictures left out: where none belong, or of a kind that is "
                "not read"
            )
        notes += [*decoded.found.notes(decoded.shape), *skipped_note(self.container)]
        name = path.resolve().name if self.container.kind == "folder" else path.name.split(".")[0]
        return Reading(name, names, splits, source, tuple(notes))

    def _tree(self) -> _Tree:
        """What stands where, by the names alone."""
        tree = _Tree()
        for name in (entry.name for entry in self.container.entries()):
            below = name.removeprefix(self.root)
            if not name.startswith(self.root) or "/." in f"/{below}":
                continue  # beside the tree, or hidden
            if below in (WNIDS, WORDS, ANNOTATIONS):
                tree.texts.append(name)
            ending = os.path.splitext(below)[1].lower()  # noqa: PTH122 (three times as fast)
            if ending not in READ:
                tree.elsewhere += ending in REFUSED and below.startswith(("train/", "val/"))
                continue
            match below.split("/"):
                case ["train", wnid, "images", _] | ["train", wnid, _]:
                    tree.train[name] = wnid
                case ["val", "images", file]:
                    tree.flat[name] = file
                case ["val", wnid, "images", _] | ["val", wnid, _]:
                    tree.val[name] = wnid
                case ["test", *_]:
                    tree.unlabelled += 1
                case ["train" | "val", *_]:
                    tree.elsewhere += 1
        return tree

    def _texts(self, tree: _Tree) -> dict[str, str]:
        sizes = dict.fromkeys(tree.texts, MAX_TEXT)
        return {
            name.removeprefix(self.root): raw.decode("utf-8-sig", "replace")
            for name, raw in self.container.read(sizes)
        }

    def _wnids(self, text: str) -> list[str]:
        wnids = [line.strip() for line in text.splitlines() if line.strip()]
        if twice := [wnid for wnid, n in Counter(wnids).items() if n > 1]:
            raise DataError(f"{self._where(WNIDS)} names twice: {quoted(twice)}; mend it")
        if len(wnids) < 2:
            raise DataError(
                f"{self._where(WNIDS)} names {len(wnids)} classes; 200 are expected, two at least: "
                "fetch or unpack it again"
            )
        return sorted(wnids)

    def _annotate(
        self, tree: _Tree, text: str | None, wnids: list[str], *, skip: bool
    ) -> list[str]:
        """Give each picture in val/images its class; return those that are named but not there."""
        if not tree.flat:
            return []
        if tree.val:
            raise DataError(
                f"{self._where('val')} has {len(tree.flat):,} pictures in images/ and "
                f"{len(tree.val):,} in folders of classes; remove one of the two"
            )
        where = self._where(ANNOTATIONS)
        if text is None:
            raise DataError(
                f"{self._where('val/images')} has {len(tree.flat):,} pictures, but {where}, which "
                "has their classes, is not there; fetch or unpack it again"
            )
        known, classes = {*wnids}, {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            file, _, rest = line.partition("\t")
            wnid = rest.partition("\t")[0].strip()
            if wnid not in known:
                raise DataError(
                    f"{where} line {number:,}: a file and a class of {WNIDS}, parted by a tab, are "
                    f"expected, found {printable(line, 60)!r}"
                )
            if classes.setdefault(file, wnid) != wnid:
                raise DataError(f"{where} line {number:,} gives {printable(file)} another class")
        if nameless := [file for file in tree.flat.values() if file not in classes]:
            raise DataError(
                f"{where} has no class for {len(nameless):,} of the {len(tree.flat):,} pictures "
                f"beside it: {quoted(nameless)}; fetch or unpack it again"
            )
        tree.val = {name: classes[file] for name, file in tree.flat.items()}
        absent = sorted(classes.keys() - {*tree.flat.values()})
        if absent and not skip:
            raise DataError(
                f"{self._where('val/images')} lacks {len(absent):,} of the {len(classes):,} "
                f"pictures that {Path(ANNOTATIONS).name} names: {quoted(absent)}; unpack it again, "
                "or go on without them with skip_bad (--skip-bad)"
            )
        return [f"val/images/{printable(file)} is not there" for file in absent]

    def _check(self, labelled: Mapping[str, Mapping[str, str]], wnids: list[str]) -> list[str]:
        """Refuse a tree that is not whole; return notes on classes with fewer pictures."""
        notes = []
        for folder, own in zip(("train", "val"), labelled.values(), strict=True):
            counts = Counter(own.values())
            if strange := sorted(counts.keys() - {*wnids}):
                raise DataError(
                    f"{self._where(folder)} has pictures in folders that {WNIDS} does not name: "
                    f"{quoted(strange)}; remove or name them"
                )
            if absent := [wnid for wnid in wnids if not counts[wnid]]:
                raise DataError(
                    f"{self._where(folder)} has no pictures of {len(absent):,} of the "
                    f"{len(wnids):,} classes in {WNIDS}: {quoted(absent)}; fetch or unpack it again"
                )
            least, most = min(counts.values()), max(counts.values())
            if least < most:
                notes.append(
                    f"{folder} has {least:,} to {most:,} pictures a class; as published all have "
                    "the same number"
                )
        return notes

    def _where(self, below: str) -> str:
        """What to call a file or folder of the tree in an error."""
        if self.container.kind == "folder":
            return str(self.container.path / f"{self.root}{below}")
        return f"{self.container.path}: {printable(self.root)}{below}"

    def _order(self, pictures: Mapping[str, str]) -> list[str]:
        """Names in the order in which the container gives them."""
        if self.container.kind == "folder":
            return sorted(pictures)
        return [entry.name for entry in self.container.entries() if entry.name in pictures]

    def _items(self, names: list[str]) -> Iterator[Item]:
        content = self.container.read(dict.fromkeys(names, MAX_PICTURE))
        for name, (found, raw) in zip(names, content, strict=True):
            assert name == found, "the order of the container is not the one of the labels"
            yield printable(name), raw


def find(source: Container) -> TinyImagenet | None:
    """Return a reader if Tiny ImageNet's tree stands in a container, else None.

    Costs little in a folder and in a zip; a tar.gz is unpacked for it.

    Raises:
        DataError: there are several such trees.
    """
    found = [e.name for e in source.locate({WNIDS}) if not e.name.startswith("__MACOSX/")]
    if len(found) > 1:
        raise DataError(
            f"{source.path} holds several data sets with a {WNIDS}: {quoted(sorted(found))}; give "
            "the folder of one"
        )
    for name in found:
        root = name.removesuffix(WNIDS)
        if source.kind == "folder" and root:  # what else stands beside it is not gone through
            return TinyImagenet(open_container(source.path / root), "")
        return TinyImagenet(source, root)
    return None


def _names(wnids: list[str], words: str) -> tuple[str, ...]:
    """The first word for each class, with its id where several classes have the same."""
    known = {*wnids}
    called = {}
    for line in words.splitlines():
        wnid, _, said = line.partition("\t")
        if wnid in known and (first := said.partition(",")[0].strip()):
            called[wnid] = first
    times = Counter(called.values())
    return tuple(
        wnid
        if wnid not in called
        else called[wnid]
        if times[called[wnid]] == 1
        else f"{called[wnid]} ({wnid})"
        for wnid in wnids
    )
