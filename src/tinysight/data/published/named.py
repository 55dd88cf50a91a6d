"""The published data set that is on this machine, as what is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinysight.data.prepared import prepare
from tinysight.data.published import PUBLISHED
from tinysight.data.published.places import locate
from tinysight.data.published.store import absent, ensure
from tinysight.data.readers import find as find_at
from tinysight.data.reading import Options, Reader, Reading
from tinysight.recipe import Data

__all__ = ["Named", "find", "other_than"]


@dataclass(frozen=True)
class Named:
    """The reader of a published data set: of its archives, or of what was added."""

    name: str
    found: Reader

    def identity(self) -> list[Any]:
        """Return plain values that change when its files do."""
        return [self.name, *self.found.identity()]

    def read(self, options: Options) -> Reading:
        """Check the archives by their digests, then read them.

        Raises:
            DataError: an archive is not what was published; or as its reader says.
        """
        ensure(self.name)
        known = PUBLISHED[self.name]
        reading = self.found.read(_labelled(options, known.label))
        classes = known.classes if reading.numbered and known.classes else reading.classes
        n = sum(len(records.labels) for records in reading.splits.values())
        return replace(
            reading,
            name=self.name,
            title=f"{known.title}, {n:,} pictures",
            classes=classes,
            mirror=known.mirror,
            numbered=False,
        )


def find(name: str) -> Named:
    """Return the reader of a published data set.

    Raises:
        DataError: it is not on this machine.
    """
    path = locate(name)
    if path is None:
        raise absent(name)
    return Named(name, find_at(path))


def other_than(name: str, path: Path) -> str | None:
    """Return what lies at a path instead of a canonical data set; None where it is that one.

    All of it is decoded.

    Raises:
        DataError: it cannot be read.
    """
    options = _labelled(Options(Data()), PUBLISHED[name].label)
    found = prepare(find_at(path).read(options))
    if found.name == name and found.title.startswith("canonical"):
        return None
    n = sum(map(len, found.parts.values()))
    return found.title or f"{n:,} pictures of {len(found.classes)} classes"


def _labelled(options: Options, label: str | None) -> Options:
    """The same with the labels of a published data set, where none were asked for."""
    if label is None or options.settings.label is not None:
        return options
    return replace(options, settings=options.settings.model_copy(update={"label": label}))
