from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.linear_model import LogisticRegression

from tinysight.data.embedded import drawing, outlines
from tinysight.errors import UsageError

Drawn = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]


@cache
def drawn(n: int = 3000, seed: int = 0, size: int = 32) -> Drawn:
    return drawing.draw(n, seed, size)


def linear_accuracy(features: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Of a linear model on the last third, fitted to the rest."""
    half = len(labels) * 2 // 3
    flat = features.reshape(len(labels), -1)
    model = LogisticRegression(C=1e-3, max_iter=1000, tol=1e-3)
    model.fit(flat[:half], labels[:half])
    return float(model.score(flat[half:], labels[half:]))


def test_what_is_drawn() -> None:
    images, labels, masks = drawn()
    assert images.shape == (3000, 32, 32, 3)
    assert (images.dtype, labels.dtype, masks.dtype) == (np.uint8, np.int64, np.bool_)
    assert images.flags.c_contiguous
    assert len(drawing.CLASSES) == len(set(drawing.CLASSES)) == 10
    assert np.bincount(labels).tolist() == [300] * 10


def test_every_machine_draws_these_bytes() -> None:
    images, labels, masks = drawing.draw(100, 0)
    raw = images.tobytes() + labels.astype("<i8").tobytes() + masks.tobytes()
    assert hashlib.sha256(raw).hexdigest() == (
        "aaee716b1dfc37ae6aff1ed8b0dd7eec3af24d499658f6c7d6c86a0e1ad83606"
    )


def test_a_picture_depends_on_seed_and_position_alone() -> None:
    state = str(np.random.get_state())
    images, labels, masks = drawing.draw(150, 4)
    assert str(np.random.get_state()) == state
    for n in (0, 1, 63, 64, 65, 129):
        some = drawing.draw(n, 4)
        assert np.array_equal(some[0], images[:n])
        assert np.array_equal(some[1], labels[:n])
        assert np.array_equal(some[2], masks[:n])
    other = drawing.draw(150, 5)
    same = (other[0] == images).all((1, 2, 3))
    assert not same.any()
    assert len(np.unique(images.reshape(150, -1), axis=0)) == 150
    drawing.draw(1, 2**64 - 1)


@pytest.mark.parametrize("size", [16, 32, 48])
def test_the_object_covers_a_tenth_to_a_third(size: int) -> None:
    _, _, masks = drawn(3000 if size == 32 else 300, 0, size)
    share = masks.mean((1, 2))
    low, high = 0.10, 0.35
    assert share.min() >= low
    assert share.max() <= high
    assert np.quantile(share, 0.9) > 0.22  # not only small ones
    assert np.quantile(share, 0.1) < 0.12


def test_the_object_stands_anywhere_and_inside() -> None:
    _, labels, masks = drawn()
    for label in range(10):
        place = masks[labels == label].mean(0)
        for corner in (place[:16, :16], place[:16, 16:], place[16:, :16], place[16:, 16:]):
            assert corner.sum() == pytest.approx(place.sum() / 4, rel=0.25)
    everywhere = masks.mean(0)
    assert everywhere.max() < 0.4
    assert everywhere[1:-1, 1:-1].min() > 0.005
    # Some touch a side, and lie there with a corner more than with their middle.
    border = np.concatenate([masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]], axis=1)
    assert 0.3 < border.any(1).mean() < 0.8
    assert border.sum(1).mean() < 6


def test_little_of_the_object_is_cut_off() -> None:
    """Seen on the circles: as long as the centre is inside, the longer extent is the diameter."""
    _, labels, masks = drawn()
    circles = masks[labels == drawing.CLASSES.index("circle")]
    diameter = np.maximum(circles.any(1).sum(1), circles.any(2).sum(1))
    whole = circles.sum((1, 2)) / (np.pi * (diameter / 2) ** 2)
    assert whole.min() > 0.85  # 0.92 of the area, and a diameter known to the pixel
    assert 0.9 < np.median(whole) < 1.1


def test_a_place_that_cuts_off_more_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outlines said to be larger than they are look as if a seventh were always cut off."""
    swollen = {k: o._replace(area=o.area / 0.85) for k, o in outlines.OUTLINES.items()}
    monkeypatch.setattr(drawing, "OUTLINES", swollen)
    monkeypatch.setattr(drawing, "ATTEMPTS", 30)
    with pytest.raises(AssertionError, match="no place found for"):
        drawing.draw(10, 0)


def test_the_object_is_what_its_label_says() -> None:
    """By a number that size and turn leave alone: the mean square radius over the area."""
    _, labels, masks = drawn()
    y, x = np.mgrid[:32, :32]
    area = masks.sum((1, 2))
    cy, cx = (masks * y).sum((1, 2)) / area, (masks * x).sum((1, 2)) / area
    square = (x - cx[:, None, None]) ** 2 + (y - cy[:, None, None]) ** 2
    spread = (masks * square).sum((1, 2)) / area**2
    steps = np.linspace(-1.5, 1.5, 601, dtype=np.float32)
    u, v = np.meshgrid(steps, steps)
    for label, name in enumerate(drawing.CLASSES):
        outline, size = outlines.OUTLINES[name]
        expected = float((u**2 + v**2)[outline(u, v) < 0].mean()) / size
        found = spread[labels == label]
        assert np.median(found) == pytest.approx(expected, rel=0.04), name
        assert (np.abs(found / expected - 1) < 0.2).mean() > 0.95, name


def test_a_guess_at_the_centre_misses_six_in_ten() -> None:
    for seed in (0, 1):
        _, labels, masks = drawn(3000, seed)
        centre = masks[:, 15:17, 15:17].mean((1, 2))
        assert centre.mean() < 0.40
        assert centre.mean() > 0.15  # nor does it always miss
        for label in range(10):
            assert centre[labels == label].mean() < 0.5


def test_the_mask_is_the_object_in_one_piece() -> None:
    _, labels, masks = drawn()
    for mask, label in zip(masks[:500], labels, strict=False):
        pieces: Any = ndimage.label(mask, np.ones((3, 3)))
        largest = np.bincount(pieces[0][mask]).max()
        assert largest >= 0.9 * mask.sum(), drawing.CLASSES[label]


def test_the_object_can_be_told_from_the_ground() -> None:
    """Across the edge of the object colours differ more than they do elsewhere."""
    images, _, masks = drawn()
    values = images.astype(float)
    inner = np.stack([m & ~ndimage.binary_erosion(m) for m in masks])
    outer = np.stack([ndimage.binary_dilation(m) & ~m for m in masks])
    far = np.stack([ndimage.binary_dilation(m, iterations=3) & ~m for m in masks]) & ~outer

    def mean(at: NDArray[np.bool_]) -> NDArray[np.floating]:
        weight = at[..., None] / at.sum((1, 2))[:, None, None, None]
        return (values * weight).sum((1, 2))

    across = np.sqrt(((mean(inner) - mean(far)) ** 2).sum(1))
    along = np.sqrt(((mean(outer) - mean(far)) ** 2).sum(1))
    assert np.median(across) > 100
    assert (across > 25).mean() > 0.99
    assert np.median(along) < np.median(across) / 2


def test_a_linear_model_finds_little() -> None:
    images, labels, _ = drawn()
    assert linear_accuracy(images / 255.0 - 0.5, labels) < 0.3


def test_the_linear_check_trips_on_a_leak() -> None:
    images, labels, _ = drawn()
    leaking = images / 255.0 - 0.5
    leaking[np.arange(3000), 0, labels * 3] = 3
    assert linear_accuracy(leaking, labels) > 0.9


def colour_accuracy(images: NDArray[np.uint8]) -> float:
    """Of a linear model on the mean and variance of the colours in the mask and away from it."""
    _, labels, masks = drawn()
    values = images / 255.0
    away = np.stack([~ndimage.binary_dilation(m, iterations=2) for m in masks])
    features = []
    for region in (masks, away):
        weight = region[..., None] / region.sum((1, 2))[:, None, None, None]
        mean = (values * weight).sum((1, 2))
        features += [mean, ((values - mean[:, None, None]) ** 2 * weight).sum((1, 2)) * 4]
    return linear_accuracy(np.concatenate(features, 1) * 30, labels)


def test_colours_and_clutter_know_nothing_of_the_class() -> None:
    # One in ten is chance, and the last third is 1,000 pictures: three standard deviations.
    assert colour_accuracy(drawn()[0]) < 0.10 + 3 * np.sqrt(0.09 / 1000)


def test_the_colour_check_trips_on_a_tint() -> None:
    images, labels, masks = drawn()
    tint = (masks * (labels[:, None, None] == 3) * 80).astype(np.uint8)
    tinted = images.copy()
    tinted[..., 0] = np.maximum(images[..., 0], 255 - tint) * (tint > 0) + images[..., 0] * (
        tint == 0
    )
    assert colour_accuracy(tinted) > 0.15


def test_edges_are_antialiased() -> None:
    picture = np.zeros((1, 3, 1, 4))
    distance = np.array([[[-2.0, -0.25, 0.25, 2.0]]])
    drawing._lay(picture, distance, np.ones((1, 3, 1, 1)))
    assert picture[0, :, 0].tolist() == [[1, 0.75, 0.25, 0]] * 3


def test_distractors_are_smaller_than_any_object() -> None:
    bits = drawing._stream(0, 0, 0)
    for distractor in drawing.DISTRACTORS:
        covered = np.concatenate([distractor(bits, 32) < 0 for _ in range(10)]).mean((1, 2))
        assert covered.max() < 0.09
        assert 0.1 < (covered == 0).mean() < 0.45  # left out three times in ten


def test_outlines_name_the_classes() -> None:
    assert tuple(outlines.OUTLINES) == drawing.CLASSES


def test_refusals() -> None:
    with pytest.raises(UsageError, match="drawn 0 or more at 16 pixels or more, got n=-1, size=32"):
        drawing.draw(-1, 0)
    with pytest.raises(UsageError, match="got n=5, size=15"):
        drawing.draw(5, 0, 15)
