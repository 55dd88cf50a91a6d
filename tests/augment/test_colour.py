from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from torch import Tensor

from tinysight.augment import colour

FACTORS = [0.0, 0.3, 0.8, 1.0, 1.2, 2.0]


def slow_jitter(
    picture: Tensor, brightness: float, contrast: float, saturation: float, hue: float
) -> NDArray[Any]:
    """A pixel at a time, in float64, rounded once."""
    pixels = picture.permute(1, 2, 0).numpy().astype(float).reshape(-1, picture.shape[0])
    grey = pixels.shape[1] == 1

    def luma(pixel: NDArray[Any]) -> float:
        return pixel[0] if grey else 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]

    pixels = np.clip(pixels * brightness, 0, 255)
    mean = sum(luma(p) for p in pixels) / len(pixels)
    pixels = np.clip(contrast * pixels + (1 - contrast) * mean, 0, 255)
    if not grey:
        pixels = np.array([saturation * p + (1 - saturation) * luma(p) for p in pixels])
        turned = []
        for p in np.clip(pixels, 0, 255) / 255:
            h, s, v = colorsys.rgb_to_hsv(*p)
            turned.append(colorsys.hsv_to_rgb((h + hue) % 1, s, v))
        pixels = np.array(turned) * 255
    _, height, width = picture.shape
    return pixels.reshape(height, width, -1).transpose(2, 0, 1)


def apart(found: Tensor, expected: NDArray[Any]) -> float:
    assert found.dtype == torch.uint8
    return float(np.abs(found.numpy().astype(float) - expected).max())


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_against_a_pixel_at_a_time(noise: Any, channels: int) -> None:
    images = noise(n=12, c=channels)
    random = np.random.default_rng(3)
    b, c, s = (random.uniform(0, 2, 12) for _ in range(3))
    h = random.uniform(-0.5, 0.5, 12)
    found = colour.jitter(
        images,
        brightness=torch.from_numpy(b),
        contrast=torch.from_numpy(c),
        saturation=torch.from_numpy(s),
        hue=torch.from_numpy(h),
    )
    assert found.is_contiguous(memory_format=torch.channels_last)
    for i, picture in enumerate(images):
        # Half a level is the one rounding; the rest is float32.
        assert apart(found[i], slow_jitter(picture, b[i], c[i], s[i], h[i])) < 0.51


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_blends_against_pil(noise: Any, name: str) -> None:
    images = noise(n=len(FACTORS))
    found = getattr(colour, name)(images, torch.tensor(FACTORS))
    pil = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }[name]
    for picture, factor, ours in zip(images, FACTORS, found, strict=True):
        image = Image.fromarray(picture.permute(1, 2, 0).numpy())
        expected = np.asarray(pil(image).enhance(factor)).transpose(2, 0, 1)
        # PIL rounds the grey before it blends and cuts off the blend's fraction.
        assert apart(ours, expected) <= 2


def test_hue_turns_red_to_green_to_blue() -> None:
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1).repeat(4, 1, 1, 1)
    found = colour.jitter(red, hue=torch.tensor([0, 1 / 3, 2 / 3, -1 / 3], dtype=torch.float64))
    assert found[..., 0, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 255]]


def test_nothing_to_change_changes_no_byte(noise: Any) -> None:
    images, one = noise(), torch.ones(6)
    found = colour.jitter(images, brightness=one, contrast=one, saturation=one, hue=one * 0)
    assert torch.equal(found, images)
    assert torch.equal(colour.jitter(images, hue=one), images)


def test_grey_pictures_keep_their_grey(noise: Any) -> None:
    images = noise(c=1)
    half = torch.full((6,), 0.5)
    assert torch.equal(colour.saturation(images, half), images)
    assert torch.equal(colour.jitter(images, hue=half), images)
    alike = noise(c=1).repeat(1, 3, 1, 1)  # three equal channels have neither, too
    assert torch.equal(colour.jitter(alike, hue=half), alike)
    assert torch.equal(colour.saturation(alike, half), alike)


def test_the_mean_of_a_large_picture_does_not_depend_on_threads(noise: Any) -> None:
    """To the last bit of the floats: a rounding to bytes would hide it nearly always."""
    images = noise(n=1, h=300, w=301)

    def run(pictures: Tensor, threads: int) -> Tensor:
        torch.set_num_threads(threads)
        factor = torch.full((len(pictures), 1, 1, 1), 0.37)
        return colour._contrast(pictures.contiguous().float(), factor)

    before = torch.get_num_threads()
    try:
        one = run(images, 1)
        assert torch.equal(run(images, 2), one)
        assert torch.equal(run(images, 4), one)
        assert torch.equal(run(torch.cat([images, 255 - images]), 2)[:1], one)
    finally:
        torch.set_num_threads(before)
