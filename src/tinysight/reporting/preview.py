"""A contact sheet: samples of a data set by class, and what augmentation makes of some."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinysight.reporting.formats import percent
from tinysight.reporting.theme import (
    LIGHT,
    Theme,
    as_drawn,
    drawable,
    head,
    new_figure,
    style,
    widest,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["preview", "spread"]

GAP = 4  # pixels between two pictures
LINE = 25  # classes in one block
SHARE = 13  # pixels for a share below a picture


def spread(labels: NDArray[np.integer[Any]], most: int = 6) -> NDArray[np.int64]:
    """Return the position of the first picture of each of at most `most` classes.

    The classes are spread evenly over those that have pictures, the first and the last among
    them; nothing is drawn at random.

    Args:
        labels: n, the class of each picture.
        most: how many, at least 1.

    >>> spread(np.array([2, 0, 0, 1, 4, 3]), most=3)
    array([1, 0, 4])
    """
    found, first = np.unique(labels, return_index=True)
    at = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(np.int64)
    return first[at].astype(np.int64)


def preview(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    classes: Sequence[str],
    augmented: Sequence[NDArray[np.uint8]] = (),
    shares: Sequence[Sequence[float]] | None = None,
    *,
    each: int = 10,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the first pictures of each class; below them, rows of augmented pictures.

    Args:
        images: n h w c.
        labels: n, positions in `classes`.
        classes: their names.
        augmented: rows of pictures, each r h w c: first the picture as it is, then what
            augmentation made of it.
        shares: of each of these, how much of the picture is its own where others are mixed into
            it, a fraction; written below it.
        each: pictures a class, at most; fewer where there are many classes.
        theme: the colours.
    """
    h, w = images.shape[1:3]
    blocks = min(4, math.ceil(len(classes) / LINE))
    lines = math.ceil(len(classes) / blocks)
    each = each if blocks == 1 else max(4, each // 2)
    scale = max(1, round((44 if blocks == 1 else 36) / max(h, w)))
    wide, high = w * scale + GAP, h * scale + GAP
    names = as_drawn(classes, 18)
    label = round(14 + widest(names, 11))
    block = label + each * wide + 20
    top = 50
    under = top + lines * high
    variants = max((len(row) for row in augmented), default=0)
    width = max(blocks * block, label + variants * wide + 16)
    line = high + (SHARE if shares else 0)
    height = under + (64 + len(augmented) * line if augmented else 0) + 8

    sheet = np.full((height, width, 3), _colour(theme.paper), dtype=np.uint8)
    with style():
        figure = new_figure(width, height, theme)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()

        def show(picture: NDArray[np.uint8], x: int, y: int) -> None:
            large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
            sheet[y : y + h * scale, x : x + w * scale] = large  # grey fills all three channels

        def write(text: str, x: float, y: float, **look: Any) -> None:
            axes.text(x, y, text, va="center", **{"color": theme.ink, "fontsize": 11, **look})

        said = (
            f"{len(images):,} pictures of {w}x{h}, {len(classes)} classes; the first of each class"
        )
        if not all(map(drawable, classes)):
            said += "; numbered where no font here has the signs of the name"
        head(figure, "Samples", said, theme)
        for c, name in enumerate(names):
            left, y = (c // lines) * block, top + (c % lines) * high
            write(name, left + label - 8, y + h * scale / 2, ha="right")
            found = np.flatnonzero(labels == c)[:each]
            for i, picture in enumerate(images[found]):
                show(picture, left + label + i * wide, y)
            if not len(found):
                write("no pictures", left + label, y + h * scale / 2, color=theme.muted)
        if augmented:
            write("As training sees them", 0, under + 30, fontsize=12, fontweight="bold")
            below = "; below, how much of it is the picture's own" if shares else ""
            said = f"Left: as it is; right: augmented{below}"
            write(said, 0, under + 50, fontsize=10, color=theme.muted)
        for j, row in enumerate(augmented):
            for i, picture in enumerate(row):
                x, y = label + i * wide + (12 if i else 0), under + 64 + j * line
                show(picture, x, y)
                if shares and i:
                    middle, edge = x + w * scale / 2, y + h * scale
                    small = {"ha": "center", "fontsize": 8, "color": theme.muted}
                    write(percent(shares[j][i], 0), middle, edge + SHARE / 2, **small)
        axes.imshow(sheet, extent=(0, width, height, 0), interpolation="nearest", aspect="auto")
    return figure


def _colour(text: str) -> tuple[int, ...]:
    """Red, green and blue of `#rrggbb`."""
    return tuple(bytes.fromhex(text.removeprefix("#")))
