"""Archives: what is in one, its reading tells, so that a warm start unpacks nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinysight.data.containers import Container
from tinysight.data.dataset import quoted
from tinysight.data.readers import cifar, idx, tiny_imagenet
from tinysight.data.readers.arrays import Layout
from tinysight.data.reading import Options, Reading
from tinysight.errors import DataError, UsageError

__all__ = ["Packed"]


@dataclass(frozen=True)
class Packed:
    """An archive that was found and not gone through yet."""

    container: Container
    layout: Layout | None = None

    def identity(self) -> list[Any]:
        """Return plain values that change when the archive does."""
        return ["packed", self.layout, *self.container.identity()]

    def read(self, options: Options) -> Reading:
        """Find out what is in it and read that.

        Raises:
            DataError: nothing that is read; or as the reader of what is in it says.
        UsageError: a `layout` for what has no arrays.
        """
        found = (
            cifar.find(self.container)
            or idx.find(self.container, layout=self.layout)
            or tiny_imagenet.find(self.container)
        )
        if found is None:
            names = [entry.name for entry in self.container.entries()]
            held = quoted(names, 3) if names else "no files"
            raise DataError(
                f"{self.container.path} is no data set: of archives those of CIFAR, IDX and Tiny "
                f"ImageNet are read; unpack it and give the folder (it holds {held})"
            )
        if self.layout is not None and not isinstance(found, idx.Idx):
            raise UsageError(f"layout is for arrays; {self.container.path} has none")
        return found.read(options)
