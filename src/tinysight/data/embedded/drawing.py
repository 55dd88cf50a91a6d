"""The embedded data set `shapes`: one textured shape on clutter, drawn from a seed.

Ten classes that differ in outline alone. Where the object stands, how large it is, how it is
turned, its colours, its texture, the background and the distractors are drawn alike for every
class. So a linear model finds little, a guess at the picture's centre mostly misses, and the mask
of the object is known to the pixel, which is what an explanation can be checked against.

Work on pixels keeps to + - * /, floor and the square root, which IEEE 754 fixes to the last bit, so
that every machine draws the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

from tinysight.data.embedded.outlines import OUTLINES, box, disc
from tinysight.errors import UsageError

__all__ = ["CLASSES", "COVERED", "draw"]

Floats = NDArray[np.floating[Any]]  # single precision for pixels, double for what steers them

CLASSES = tuple(OUTLINES)

COVERED = (0.10, 0.35)  # the object's share of the picture, by its mask
INSIDE = 0.92  # how much of the object, at least, lies in the picture

SMALLEST = 16  # pixels a side; below it the shapes run together

BLOCK = 64  # pictures drawn together; their work stays in the cache
ATTEMPTS = 1000  # at a place for the object; about half succeed, so it is never reached
PAINT = ATTEMPTS  # the stream of colours; those before it are the attempts


def draw(
    n: int, seed: int, size: int = 32
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """Return n pictures (uint8, n h w 3), labels (int64, n) and masks (bool, n h w).

    Picture i depends on (seed, i) and the size alone, and is of class i mod 10: a shorter drawing
    is the beginning of a longer one.

    Args:
        n: how many, 0 or more.
        seed: 0 to 2^64 - 1.
        size: height and width, pixels; 16 or more.

    Raises:
        UsageError: fewer than 0 pictures, or smaller ones.

    >>> images, labels, masks = draw(3, seed=0)
    >>> images.shape, [CLASSES[k] for k in labels], masks.shape
    ((3, 32, 32, 3), ['circle', 'square', 'triangle'], (3, 32, 32))
    """
    if n < 0 or size < SMALLEST:
        raise UsageError(
            f"shapes are drawn 0 or more at {SMALLEST} pixels or more, got n={n}, size={size}"
        )
    images = np.empty((n, size, size, 3), np.uint8)
    masks = np.empty((n, size, size), np.bool_)
    labels = np.arange(n, dtype=np.int64) % len(CLASSES)
    for block, start in enumerate(range(0, n, BLOCK)):
        # A block is drawn whole even where its end is not wanted.
        classes = np.arange(start, start + BLOCK) % len(CLASSES)
        distance = _place(classes, seed, block, size)
        masks[start : start + BLOCK] = distance[: n - start] < 0
        images[start : start + BLOCK] = _paint(distance, seed, block)[: n - start]
    return images, labels, masks


def _stream(seed: int, block: int, stream: int) -> Philox:
    """Random bits of their own for each block and use.

    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; numpy promises never to
    change the raw output.
    """
    return Philox(
        key=np.array([seed, 0], np.uint64), counter=np.array([0, 0, stream, block], np.uint64)
    )


def _uniform(bits: Philox) -> Floats:
    """One number of [0, 1) for each picture of the block."""
    return (bits.random_raw(BLOCK) >> np.uint64(11)) * 2.0**-53


def _between(bits: Philox, low: float, high: float) -> Floats:
    return low + (high - low) * _uniform(bits)


def _wide(values: Floats) -> Floats:
    """One value a picture, beside its pixels."""
    return values.astype(np.float32)[:, None, None]


def _frame(size: int, x: Floats, y: Floats, angle: Floats) -> tuple[Floats, Floats]:
    """Every pixel's coordinates in frames that stand at (x, y), in pixels, turned by the angle."""
    steps = np.arange(size, dtype=np.float32) + np.float32(0.5)
    right, below = steps - _wide(x), steps[:, None] - _wide(y)
    cosine, sine = _wide(np.cos(angle)), _wide(np.sin(angle))
    return right * cosine + below * sine, below * cosine - right * sine


def _anywhere(bits: Philox, size: int) -> tuple[Floats, Floats]:
    """Coordinates in frames that stand and are turned at random."""
    x, y = (size * _uniform(bits) for _ in range(2))
    return _frame(size, x, y, 2 * np.pi * _uniform(bits))


def _place(classes: NDArray[np.int64], seed: int, block: int, size: int) -> Floats:
    """Distances to each picture's object, drawn again until it covers and lies as it must."""
    distance = np.empty((BLOCK, size, size), np.float32)
    pending = np.arange(BLOCK)
    for attempt in range(ATTEMPTS):
        bits = _stream(seed, block, attempt)
        low, high = COVERED
        # Rather small, and rather near a side: an even draw would cover the centre more often
        # than not, and a guess at the centre must fail.
        share = low + (high - low) * _uniform(bits) ** 3
        angle = 2 * np.pi * _uniform(bits)
        room = size * (1 - np.sqrt(share))
        x, y = (size / 2 - room * np.cos(np.pi * _uniform(bits)) / 2 for _ in range(2))
        for label in np.unique(classes[pending]):
            at = pending[classes[pending] == label]
            outline, area = OUTLINES[CLASSES[label]]
            scale = size * np.sqrt(share[at] / area)
            u, v = _frame(size, x[at], y[at], angle[at])
            scale = _wide(scale)
            distance[at] = outline(u / scale, v / scale) * scale
        seen = (distance[pending] < 0).mean((1, 2))
        good = (seen >= low) & (seen <= high) & (seen >= INSIDE * share[pending])
        pending = pending[~good]
        if not len(pending):
            return distance
    raise AssertionError(f"no place found for {CLASSES[classes[pending[0]]]}")


def _paint(distance: Floats, seed: int, block: int) -> NDArray[np.uint8]:
    """Background, distractors, object, light and noise, from the distances to the objects."""
    size = distance.shape[1]
    bits = _stream(seed, block, PAINT)
    ground = _colour(bits)
    second = np.clip(ground + 0.7 * (_colour(bits) - 0.5), 0, 1)
    picture = _texture(bits, size, ground, second)  # n c h w while it is worked on
    for distractor in DISTRACTORS:
        _lay(picture, distractor(bits, size), _colour(bits)[..., None, None])
    # Of four colours the one that stands out most, so that the outline can be seen.
    offered = np.stack([_colour(bits) for _ in range(4)])
    apart = ((offered - (ground + second) / 2) ** 2).sum(2)
    main = offered[apart.argmax(0), np.arange(BLOCK)]
    other = main + _wide(_between(bits, 0.2, 0.6))[:, 0] * (_colour(bits) - main)
    _lay(picture, distance, _texture(bits, size, main, other))
    middle = np.full(BLOCK, size / 2)
    slope, _ = _frame(size, middle, middle, 2 * np.pi * _uniform(bits))
    picture *= (1 + _wide(_between(bits, 0, 0.3)) / size * slope)[:, None]
    noise = bits.random_raw(picture.size // 8).astype("<u8").view(np.uint8).reshape(picture.shape)
    strength = _wide(_between(bits, 0.02, 0.12))[:, None]
    picture += (noise.astype(np.float32) / 255 - np.float32(0.5)) * strength
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def _colour(bits: Philox) -> Floats:
    """Red, green and blue, 0 to 1: n c."""
    return np.stack([_uniform(bits) for _ in range(3)], 1).astype(np.float32)


def _lay(picture: Floats, distance: Floats, colour: Floats) -> None:
    """Put a colour where the distance is negative, with an edge one pixel wide."""
    cover = np.clip(0.5 - distance, 0, 1)[:, None]
    layer = colour - picture
    layer *= cover
    picture += layer


def _texture(bits: Philox, size: int, first: Floats, second: Floats) -> Floats:
    """Two colours (n c) in a pattern of PATTERNS: n c h w."""
    unit = size / 32
    x, y = _anywhere(bits, size)
    period = _wide(_between(bits, 4 * unit, 9 * unit))
    kind = (len(PATTERNS) * _uniform(bits)).astype(np.int64)
    clouds = _clouds(bits, size)
    share = np.empty_like(x)
    for k, pattern in enumerate(PATTERNS):
        at = kind == k
        share[at] = pattern(x[at] / period[at], y[at] / period[at], clouds[at])
    return first[..., None, None] + share[:, None] * (second - first)[..., None, None]


def _clouds(bits: Philox, size: int, cells: int = 6) -> Floats:
    """Random values on a coarse grid, with straight lines between."""
    grid = np.stack([_uniform(bits) for _ in range((cells + 1) ** 2)], 1).astype(np.float32)
    grid = grid.reshape(BLOCK, cells + 1, cells + 1)
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / size)
    low = np.floor(at).astype(np.int64)
    part = at - low
    rows = grid[:, low] + part[:, None] * (grid[:, low + 1] - grid[:, low])
    return rows[:, :, low] + part * (rows[:, :, low + 1] - rows[:, :, low])


def _scrap(bits: Philox, size: int) -> tuple[Floats, Floats, Floats]:
    """Where a distractor stands, and how large it is, in pixels; three in ten are left out."""
    x, y = _anywhere(bits, size)
    scale = _between(bits, 1.2, 3.2) * size / 32
    return x, y, _wide(np.where(_uniform(bits) < 0.7, scale, -size))


def _line(bits: Philox, size: int) -> Floats:
    x, y, scale = _scrap(bits, size)
    return box(x, y, 4 * scale, np.minimum(scale, 0.5 * size / 32))


def _blob(bits: Philox, size: int) -> Floats:
    x, y, scale = _scrap(bits, size)
    return disc(x, y * _wide(_between(bits, 1, 2)), 0) - scale


def _wedge(bits: Philox, size: int) -> Floats:
    x, y, scale = _scrap(bits, size)
    return np.maximum(np.abs(x) * np.float32(0.9) + y * np.float32(0.45), -y) - scale


def _arc(bits: Philox, size: int) -> Floats:
    x, y, scale = _scrap(bits, size)
    return np.maximum(np.abs(disc(x, y, 0) - scale * 1.5) - 0.25 * scale, -y)


def _angle(bits: Philox, size: int) -> Floats:
    x, y, scale = _scrap(bits, size)
    arms = box(x - scale, y, scale, 0.3 * scale), box(x, y - scale, 0.3 * scale, scale)
    return np.minimum(*arms)


# Lines, and what shapes are made of; too small to be one.
DISTRACTORS = (_line, _line, _blob, _wedge, _arc, _angle, _line)


def _wave(x: Floats) -> Floats:
    """0 to 1 and back in each unit, in straight lines."""
    return 2 * np.abs(x - np.floor(x) - np.float32(0.5))


PATTERNS: tuple[Callable[[Floats, Floats, Floats], Floats], ...] = (
    lambda x, _y, _clouds: np.zeros_like(x),
    lambda x, _y, _clouds: np.clip(2 * _wave(x) - 0.5, 0, 1),  # stripes
    lambda x, y, _clouds: np.clip(3.5 - 5 * disc(_wave(x), _wave(y), 0), 0, 1),  # dots
    lambda x, y, _clouds: np.clip(0.5 + 8 * (_wave(x) - 0.5) * (_wave(y) - 0.5), 0, 1),  # checks
    lambda x, _y, _clouds: np.clip(0.5 + x / 6, 0, 1),  # a gradient
    lambda _x, _y, clouds: clouds,
)
