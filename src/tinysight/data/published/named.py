"""The published data set that is on this machine, as what is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinysight.data.canonical import CANONICAL
from tinysight.data.containers import open_container
from tinysight.data.prepared import prepare
from tinysight.data.published import PUBLISHED
from tinysight.data.published.places import known_at, locate, read_at
from tinysight.data.published.store import absent, ensure
from tinysight.data.readers import find as find_at
from tinysight.data.readers import idx
from tinysight.data.readers.packed import Packed
from tinysight.data.reading import Options, Progress, Reader, Reading
from tinysight.errors import DataError
from tinysight.recipe import Data

__all__ = ["Named", "find", "other_than"]


@dataclass(frozen=True)
class Named:
    """The reader of a published data set: of its archives, or of what was added."""

    name: str
    found: Reader
    added: bool

    def identity(self) -> list[Any]:
        """Return plain values that change when its files do."""
        known = PUBLISHED[self.name]
        return [known.title, known.classes, known.mirror, known.label, *self.found.identity()]

    def read(self, options: Options) -> Reading:
        """Read it, and check that it is what was published: archives by digest, else by content.

        Raises:
            DataError: it is something else; or as its reader says.
        """
        known = PUBLISHED[self.name]
        asked = options.settings.label
        ensure(self.name)
        reading = self.found.read(_labelled(options, known.label))
        if self.added:
            whole = reading.splits["train"].images.shape[1:] == CANONICAL[self.name].shape
            other = _other(self.name, reading if whole and asked is None else self._whole())
            if other:
                raise DataError(
                    f"what {self.name} was added from is no longer {known.title}: it is {other}; "
                    f"add it again, or run: tinysight data fetch {self.name}"
                )
        classes = known.classes if reading.numbered and known.classes else reading.classes
        n = sum(len(records.labels) for records in reading.splits.values())
        return replace(
            reading,
            name=known.folder if asked else self.name,
            title="" if asked else f"{known.title}, {n:,} pictures",
            classes=classes,
            mirror=known.mirror,
            numbered=False,
        )

    def _whole(self) -> Reading:
        """As it was published, where other labels or another size were asked for."""
        return self.found.read(_labelled(Options(Data()), PUBLISHED[self.name].label))


def find(name: str) -> Named:
    """Return the reader of a published data set.

    Of its archives those that are checked are read, whatever else lies beside them.

    Raises:
        DataError: it is not on this machine.
    """
    path = locate(name)
    if path is None:
        raise absent(name)
    known, folder = known_at(name)
    if path != read_at(known, folder):
        return Named(name, find_at(path), added=True)
    if len(known.files) == 1:
        return Named(name, Packed(open_container(path)), added=False)
    return Named(name, idx.exactly(path, [remote.name for remote in known.files]), added=False)


def other_than(name: str, path: Path, *, progress: Progress | None = None) -> str | None:
    """Return what lies at a path instead of a canonical data set; None where it is that one.

    All of it is decoded.

    Args:
        progress: as `Options` has it.

    Raises:
        DataError: it cannot be read.
    """
    options = _labelled(Options(Data(), progress=progress), PUBLISHED[name].label)
    return _other(name, find_at(path).read(options))


def _other(name: str, reading: Reading) -> str | None:
    """What was read instead of a canonical data set; None where it is that one, every split."""
    found = prepare(reading)
    if all(found.fingerprints.get(s) == d for s, d in CANONICAL[name].records.items()):
        return None
    n = sum(map(len, found.parts.values()))
    return found.title or f"{n:,} pictures of {len(found.classes)} classes"


def _labelled(options: Options, label: str | None) -> Options:
    """The same with the labels of a published data set, where none were asked for."""
    if label is None or options.settings.label is not None:
        return options
    return replace(options, settings=options.settings.model_copy(update={"label": label}))
