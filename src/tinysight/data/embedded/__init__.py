"""The two data sets that come with the package and need no network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tinysight.data.readers.decoding import Found
from tinysight.data.reading import Options, Reading, Records
from tinysight.errors import UsageError
from tinysight.pictures import Header, fit

__all__ = ["EMBEDDED", "SHAPES", "Embedded", "digits", "shapes"]

SIDE = 32
SHAPES = {"train": (8_000, 0), "test": (2_000, 1)}  # pictures, seed


def digits(options: Options) -> Reading:
    """Handwritten digits, 1,797 real scans of 8x8 (scikit-learn), shown at 32x32; 10 classes."""
    from sklearn.datasets import load_digits

    _no_label_column(options, "digits")
    raw: Any = load_digits()
    side = options.settings.size or SIDE
    # The scans count the dark dots of a 4x4 field: 0 to 16.
    scans = np.rint(raw.images * (255 / 16)).astype(np.uint8)[..., None]
    images = np.stack([fit(scan, (side, side, 1)) for scan in scans])
    found = Found()
    for _ in scans:
        found.add(Header(8, 8, 1, "array", "L"))
    return Reading(
        "digits",
        tuple(map(str, range(10))),
        {"train": Records(images, raw.target.astype(np.int64))},
        {"kind": "embedded", **found.to_source()},
        title=f"digits, {len(images):,} scanned handwritten digits",
        mirror=False,
    )


def shapes(options: Options) -> Reading:
    """Drawn shapes, 10,000 pictures of 32x32 with the mask of the object; 10 classes."""
    from tinysight.data.embedded import drawing

    _no_label_column(options, "shapes")
    side = options.settings.size or SIDE
    splits, found = {}, Found()
    for split, (n, seed) in SHAPES.items():
        images, labels, masks = drawing.draw(n, seed, size=side)
        splits[split] = Records(images, labels, masks=masks)
        for _ in labels:
            found.add(Header(side, side, 3, "drawn", "RGB"))
    return Reading(
        "shapes",
        tuple(drawing.CLASSES),
        splits,
        {"kind": "embedded", **found.to_source()},
        title=f"shapes, {sum(n for n, _ in SHAPES.values()):,} drawn pictures",
    )


def _no_label_column(options: Options, name: str) -> None:
    if options.settings.label is not None or options.classes is not None:
        raise UsageError(f"{name} has its own labels and classes; leave label and classes out")


EMBEDDED: dict[str, Callable[[Options], Reading]] = {"digits": digits, "shapes": shapes}


@dataclass(frozen=True)
class Embedded:
    """The reader of an embedded data set."""

    name: str

    def identity(self) -> list[Any]:
        """Return plain values that change when what is made does: this package's code."""
        code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
        own = version("scikit-learn") if self.name == "digits" else ""
        return ["embedded", self.name, hashlib.sha256(code).hexdigest(), own]

    def read(self, options: Options) -> Reading:
        """Make it."""
        return EMBEDDED[self.name](options)
