from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from tinysight.data.embedded import outlines

SIDE = 801  # pixels of the reference drawings
SPAN = 3.0  # units, from edge to edge


def grid() -> tuple[NDArray[Any], NDArray[Any]]:
    steps = ((np.arange(SIDE) + 0.5) / SIDE - 0.5).astype(np.float32) * np.float32(SPAN)
    return np.meshgrid(steps, steps)  # pyright: ignore[reportReturnType]


def measured(inside: NDArray[np.bool_]) -> NDArray[Any]:
    """Signed distance in units, by scipy, to the nearest pixel of the other side."""
    out = ndimage.distance_transform_edt(~inside)
    into = ndimage.distance_transform_edt(inside)
    return (np.asarray(out) - np.asarray(into)) * SPAN / SIDE


@pytest.mark.parametrize("name", outlines.OUTLINES)
def test_area_balance_and_room(name: str) -> None:
    outline, area = outlines.OUTLINES[name]
    x, y = grid()
    inside = outline(x, y) < 0
    pixel = (SPAN / SIDE) ** 2
    assert inside.sum() * pixel == pytest.approx(area, rel=0.005)
    assert float(x[inside].mean()) == pytest.approx(0, abs=0.01)
    assert float(y[inside].mean()) == pytest.approx(0, abs=0.01)
    edge = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    assert not edge.any()
    pieces: Any = ndimage.label(inside)
    # One piece, but for a pixel that falls on a corner to the last bit.
    assert np.bincount(pieces[0][inside]).max() >= inside.sum() - 2


@pytest.mark.parametrize("name", outlines.OUTLINES)
def test_the_distance_is_exact_at_the_edge(name: str) -> None:
    """Half a pixel either side of the edge is all that antialiasing uses."""
    outline = outlines.OUTLINES[name].distance
    x, y = grid()
    found = outline(x, y)
    assert found.dtype == np.float32
    true = measured(found < 0)
    near = np.abs(true) < 0.1
    # Where two parts are joined or cut the inner distance is a bound: shorter, never longer.
    assert (np.abs(found[near]) < np.abs(true[near]) + 2 * SPAN / SIDE).all()
    close = np.abs(np.abs(found[near]) - np.abs(true[near])) < 2 * SPAN / SIDE
    assert close.mean() > 0.95


@pytest.mark.parametrize("name", outlines.OUTLINES)
def test_a_mirrored_shape_is_a_turned_one(name: str) -> None:
    """So flips in training never change a class: each has an axis of symmetry."""
    outline = outlines.OUTLINES[name].distance
    x, y = grid()
    straight = outline(x, y)
    assert np.allclose(straight, outline(-x, y), atol=1e-5) or np.allclose(
        straight, outline(x, -y), atol=1e-5
    )


def test_no_two_outlines_are_alike() -> None:
    """Of equal area, in any turn, they share at most nine tenths of their union."""
    x, y = grid()
    x, y = x[::4, ::4], y[::4, ::4]
    names = list(outlines.OUTLINES)
    masks: dict[str, list[NDArray[np.bool_]]] = {}
    for name in names:
        outline, area = outlines.OUTLINES[name]
        scale = np.float32(math.sqrt(area))
        masks[name] = []
        for angle in np.deg2rad(np.arange(0, 360, 6)).astype(np.float32):
            u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            masks[name].append(outline(u * scale, v * scale) < 0)
    for i, one in enumerate(names):
        for other in names[:i]:
            first = masks[one][0]
            best = max((first & m).sum() / (first | m).sum() for m in masks[other])
            assert best < 0.9, (one, other, best)


def test_disc_ring_and_box_by_hand() -> None:
    x, y = np.array([0, 3, 3], np.float32), np.array([0, 4, 0], np.float32)
    assert outlines.disc(x, y, 2).tolist() == [-2, 3, 1]
    assert outlines.ring(x, y, 4, 0.5).tolist() == [3.5, 0.5, 0.5]
    assert np.allclose(outlines.box(x, y, 2, 1), [-1, math.sqrt(10), 1])


def test_polygon_against_pil() -> None:
    """A concave one, filled by PIL, its distance measured by scipy."""
    corners = ((-1.0, -0.9), (0.9, -0.9), (0.1, 0.0), (1.1, 1.0), (-0.6, 0.4), (-1.2, 1.1))
    x, y = grid()
    found = outlines.polygon(x, y, corners)
    image = Image.new("1", (SIDE, SIDE))
    place = [((a / SPAN + 0.5) * SIDE - 0.5, (b / SPAN + 0.5) * SIDE - 0.5) for a, b in corners]
    ImageDraw.Draw(image).polygon(place, fill=1)
    filled = np.asarray(image)
    differs = (found < 0) != filled
    assert (np.abs(found[differs]) < 1.5 * SPAN / SIDE).all()  # PIL fills the edge's pixels too
    assert np.abs(found - measured(found < 0)).max() < 2.5 * SPAN / SIDE
    backwards = outlines.polygon(x, y, corners[::-1])
    assert np.allclose(found, backwards, atol=1e-5)
