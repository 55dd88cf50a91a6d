from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from tinysight.augment import tone


def pil(picture: Tensor) -> Image.Image:
    array = picture.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def apart(found: Tensor, expected: Image.Image) -> int:
    assert found.dtype == torch.uint8
    array = np.asarray(expected).astype(int)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return int(np.abs(found.numpy().astype(int) - array).max())


@pytest.mark.parametrize("channels", [1, 3])
def test_posterize_against_pil(noise: Any, channels: int) -> None:
    images = noise(n=8, c=channels)
    found = tone.posterize(images, torch.arange(1, 9))
    for bits, picture, ours in zip(range(1, 9), images, found, strict=True):
        assert apart(ours, ImageOps.posterize(pil(picture), bits)) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_solarize_against_pil(noise: Any, channels: int) -> None:
    images = noise(n=5, c=channels)
    thresholds = [0, 1, 127, 200, 255]
    found = tone.solarize(images, torch.tensor(thresholds))
    for threshold, picture, ours in zip(thresholds, images, found, strict=True):
        assert apart(ours, ImageOps.solarize(pil(picture), threshold)) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_sharpness_against_pil(noise: Any, channels: int) -> None:
    factors = [0.0, 0.01, 0.5, 1.0, 1.99]
    images = noise(n=5, c=channels)
    found = tone.sharpness(images, torch.tensor(factors))
    for factor, picture, ours in zip(factors, images, found, strict=True):
        # PIL rounds the smoothed picture first and cuts off the blend's fraction.
        assert apart(ours, ImageEnhance.Sharpness(pil(picture)).enhance(factor)) <= 1
    assert torch.equal(found[3], images[3])


def test_sharpness_leaves_the_border_and_the_tiny(noise: Any) -> None:
    images = noise()
    found = tone.sharpness(images, torch.full((6,), 2.0))
    edge = torch.ones(12, 17, dtype=torch.bool)
    edge[1:-1, 1:-1] = False
    assert torch.equal(found[..., edge], images[..., edge])
    assert not torch.equal(found, images)
    tiny = noise(h=2)
    assert torch.equal(tone.sharpness(tiny, torch.zeros(6)), tiny)


@pytest.mark.parametrize("channels", [1, 3])
def test_autocontrast_against_pil(noise: Any, channels: int) -> None:
    images = noise(n=4, c=channels) // 2 + 30
    images[3, 0] = 99  # a flat channel has nothing to stretch
    for picture, ours in zip(images, tone.autocontrast(images), strict=True):
        assert apart(ours, ImageOps.autocontrast(pil(picture))) <= 1  # PIL cuts off, we round


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("h", "w"), [(32, 32), (12, 17), (40, 9)])
def test_equalize_against_pil(noise: Any, channels: int, h: int, w: int) -> None:
    images = noise(n=5, c=channels, h=h, w=w)
    images[1] //= 3
    images[2, 0] = 7  # one value: left alone
    images[3] = images[3] // 128 * 200  # two values
    images[4, :, 1:] = 255  # nearly all in the last bin: PIL's step is 0
    for picture, ours in zip(images, tone.equalize(images), strict=True):
        assert apart(ours, ImageOps.equalize(pil(picture))) == 0
