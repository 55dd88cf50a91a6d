"""Outlines as signed distances: what the `shapes` data set is drawn from.

An outline is a function of coordinates (x right, y down) that is negative inside. Formulas after
I. Quilez, "2D distance functions"; where shapes are joined or cut the distance is a bound, and
exact at the edge itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["OUTLINES", "Outline", "box", "disc", "polygon", "ring"]

Floats = NDArray[np.floating[Any]]
Corners = tuple[tuple[float, float], ...]


class Outline(NamedTuple):
    """A shape about the origin, and its area."""

    distance: Callable[[Floats, Floats], Floats]
    area: float


def disc(x: Floats, y: Floats, radius: float = 1.0) -> Floats:
    """Return the distance to a disc."""
    return np.sqrt(x * x + y * y) - radius


def ring(x: Floats, y: Floats, radius: float, half_thickness: float) -> Floats:
    """Return the distance to a ring around the circle of `radius`."""
    return np.abs(disc(x, y, radius)) - half_thickness


def box(x: Floats, y: Floats, half_width: float | Floats, half_height: float | Floats) -> Floats:
    """Return the distance to a box."""
    dx, dy = np.abs(x) - half_width, np.abs(y) - half_height
    right, below = np.maximum(dx, 0), np.maximum(dy, 0)
    return np.sqrt(right * right + below * below) + np.minimum(np.maximum(dx, dy), 0)


def polygon(x: Floats, y: Floats, corners: Corners) -> Floats:
    """Return the distance to a polygon that does not cross itself."""
    nearest = np.full(x.shape, np.inf, np.float32)
    inside = np.zeros(x.shape, np.bool_)
    for (ax, ay), (bx, by) in pairwise((*corners, corners[0])):
        ex, ey = bx - ax, by - ay
        px, py = x - ax, y - ay
        along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
        dx, dy = px - along * ex, py - along * ey
        np.minimum(nearest, dx * dx + dy * dy, out=nearest)
        # A ray to the right meets this side; where it meets an odd number, it began inside.
        level = (y >= ay) != (y >= by)
        inside ^= level & ((py * ex > px * ey) == (ey > 0))
    return np.where(inside, -np.sqrt(nearest), np.sqrt(nearest))


def _cross(x: Floats, y: Floats) -> Floats:
    return np.minimum(box(x, y, 1.0, 0.34), box(x, y, 0.34, 1.0))


def _crescent(x: Floats, y: Floats) -> Floats:
    """A disc without the disc of 0.8 that stands 0.5 to its right; moved to balance."""
    return np.maximum(disc(x - 0.39, y), -disc(x - 0.89, y, 0.8))


def _heart(x: Floats, y: Floats) -> Floats:
    """A square on its tip with half a disc on each upper side."""
    u, v = (y + x) * math.sqrt(0.5), (y - x) * math.sqrt(0.5)
    u, v = u - 0.16, v - 0.16
    discs = np.minimum(disc(u, v + 0.5, 0.5), disc(u + 0.5, v, 0.5))
    return np.minimum(box(u, v, 0.5, 0.5), discs)


def _of(corners: Corners) -> Outline:
    """A polygon moved so that its centroid is the origin."""
    sides = [(a, b, a[0] * b[1] - b[0] * a[1]) for a, b in pairwise((*corners, corners[0]))]
    twice = sum(cross for _, _, cross in sides)
    cx = sum((a[0] + b[0]) * cross for a, b, cross in sides) / (3 * twice)
    cy = sum((a[1] + b[1]) * cross for a, b, cross in sides) / (3 * twice)
    moved = tuple((x - cx, y - cy) for x, y in corners)
    return Outline(partial(polygon, corners=moved), abs(twice) / 2)


def _spikes(n: int, inner: float) -> Corners:
    turns = [math.pi * k / n for k in range(2 * n)]
    radii = [1.0, inner] * n
    return tuple((r * math.sin(t), -r * math.cos(t)) for r, t in zip(radii, turns, strict=True))


# None becomes another when it is mirrored or turned.
OUTLINES = {
    "circle": Outline(disc, math.pi),
    "square": Outline(partial(box, half_width=1.0, half_height=1.0), 4.0),
    "triangle": _of(_spikes(3, 0.5)),  # the inner corners lie on the sides
    "star": _of(_spikes(5, 0.42)),
    "cross": Outline(_cross, 4 * 0.34 * (2 - 0.34)),
    "ring": Outline(partial(ring, radius=0.77, half_thickness=0.23), math.pi * 4 * 0.77 * 0.23),
    "crescent": Outline(_crescent, 1.5295),
    "heart": Outline(_heart, 1 + math.pi / 4),
    "arrow": _of(
        (
            (-1.0, -0.27),
            (0.0, -0.27),
            (0.0, -0.8),
            (1.0, 0.0),
            (0.0, 0.8),
            (0.0, 0.27),
            (-1.0, 0.27),
        )
    ),
    "hourglass": _of(
        ((-0.8, -1.0), (0.8, -1.0), (0.13, 0.0), (0.8, 1.0), (-0.8, 1.0), (-0.13, 0.0))
    ),
}
