from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tinysight.augment import erasing


@pytest.mark.parametrize("channels", [1, 3])
def test_cover_against_a_pixel_at_a_time(noise: Any, channels: int) -> None:
    images = noise(c=channels)
    random = np.random.default_rng(0)
    boxes = torch.from_numpy(
        np.sort(random.integers(-5, 22, (6, 2, 2, 2)), axis=-1).reshape(6, 2, 4)
    )
    boxes[0] = 0  # two empty boxes
    colour = torch.tensor([10, 20, 30][:channels], dtype=torch.uint8)
    found = erasing.cover(images, boxes, colour)
    assert found.is_contiguous(memory_format=torch.channels_last)
    expected = images.clone()
    for i, y, x in np.ndindex(6, 12, 17):
        if any(t <= y < b and s <= x < e for t, b, s, e in boxes[i].tolist()):
            expected[i, :, y, x] = colour
    assert torch.equal(found, expected)
    assert torch.equal(found[0], images[0])


def test_cutout_boxes_by_hand() -> None:
    row, column = torch.tensor([0.0, 0.5, 0.999]), torch.tensor([0.0, 0.25, 0.999])
    boxes = erasing.cutout_boxes(row, column, 8, 32, 16)
    assert boxes.tolist() == [[-4, 4, -4, 4], [12, 20, 0, 8], [27, 35, 11, 19]]
    assert erasing.cutout_boxes(row[:1], column[:1], 5, 32, 16).tolist() == [[-2, 3, -2, 3]]


@pytest.mark.parametrize(("h", "w"), [(32, 32), (24, 48)])
def test_erasing_boxes_keep_the_ranges(h: int, w: int) -> None:
    n = 20_000
    u = torch.from_numpy(np.random.default_rng(0).random((4, n)))
    boxes, fits = erasing.erasing_boxes(u[0], u[1], u[2], u[3], height=h, width=w)
    top, bottom, left, right = boxes[fits].unbind(1)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (bottom <= h).all()
    assert (right <= w).all()
    tall, wide = (bottom - top).double(), (right - left).double()
    area, aspect = tall * wide / (h * w), tall / wide
    # The sides are whole pixels: the ranges hold for the sides before rounding.
    assert (((tall + 0.5) * (wide + 0.5)) / (h * w) >= 0.02).all()
    assert (((tall - 0.5) * (wide - 0.5)) / (h * w) <= 0.33).all()
    assert ((tall + 0.5) / (wide - 0.5) >= 0.3).all()
    assert ((tall - 0.5) / (wide + 0.5) <= 3.3).all()
    if h == w:
        assert fits.double().mean() > 0.99
        assert area.mean().item() == pytest.approx((0.02 + 0.33) / 2, abs=0.01)
        assert aspect.log().mean().item() == pytest.approx(0, abs=0.03)
        # Every place is reached: the corners too.
        assert (top == 0).any()
        assert (bottom == h).any()
    else:
        assert not fits.all()
        assert (
            (boxes[~fits] > torch.tensor([h, h, w, w]))
            .any(1)
            .logical_or(
                (boxes[~fits, 1] - boxes[~fits, 0] > h) | (boxes[~fits, 3] - boxes[~fits, 2] > w)
            )
            .all()
        )
