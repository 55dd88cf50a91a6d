from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage
from torch import Tensor

from tinysight.augment import trivial


def moved(picture: NDArray[Any], linear: Any, shift: Any) -> NDArray[Any]:
    """Scipy's resampling about the centre, in (row, column)."""
    centre = (np.array(picture.shape[:2]) - 1) / 2
    offset: Any = centre + np.array(shift) - np.array(linear) @ centre
    planes = [
        ndimage.affine_transform(plane.astype(float), linear, offset, order=1, mode="reflect")
        for plane in picture.transpose(2, 0, 1)
    ]
    return np.stack(planes)


def slow(picture: Tensor, name: str, strength: int, negative: bool) -> NDArray[Any]:
    """One picture, by PIL and scipy, with the numbers of torchvision's table of the wide space."""
    array = picture.permute(1, 2, 0).numpy()
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    sign = -1 if negative else 1
    blend = 1 + sign * np.linspace(0, 0.99, 31)[strength]
    slant = sign * np.linspace(0, 0.99, 31)[strength]
    shift = sign * np.linspace(0, 32, 31)[strength]
    angle = np.deg2rad(sign * np.linspace(0, 135, 31)[strength])
    cosine, sine = np.cos(angle), np.sin(angle)
    moves = {
        "shear_x": ([[1, 0], [slant, 1]], [0, 0]),
        "shear_y": ([[1, slant], [0, 1]], [0, 0]),
        "translate_x": (np.eye(2), [0, -shift]),
        "translate_y": (np.eye(2), [-shift, 0]),
        "rotate": ([[cosine, sine], [-sine, cosine]], [0, 0]),
    }
    if name in moves:
        return moved(array, *moves[name])
    bits = int((8 - np.arange(31) / (30 / 6)).round()[strength])
    tones = {
        "identity": lambda: image,
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(blend),
        "saturation": lambda: ImageEnhance.Color(image).enhance(blend),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(blend),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(blend),
        "posterize": lambda: ImageOps.posterize(image, bits),
        "solarize": lambda: ImageOps.solarize(image, np.linspace(255, 0, 31)[strength]),
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
    }
    done = np.asarray(tones[name]())
    return done[None] if done.ndim == 2 else done.transpose(2, 0, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", trivial.OPERATIONS)
def test_each_operation_against_pil_and_scipy(noise: Any, name: str, channels: int) -> None:
    images = noise(n=62, c=channels, h=32, w=32)
    operation = torch.full((62,), trivial.OPERATIONS.index(name))
    strength, negative = torch.arange(62) % 31, torch.arange(62) >= 31
    found = trivial.apply(images, operation, strength, negative)
    assert found.dtype == torch.uint8
    assert found.is_contiguous(memory_format=torch.channels_last)
    exact = name in ("identity", "posterize", "solarize", "equalize")
    for i, picture in enumerate(images):
        expected = slow(picture, name, int(strength[i]), bool(negative[i]))
        apart = np.abs(found[i].numpy().astype(float) - expected).max()
        # PIL rounds more often than we do, and a resampling is on a grid of 1/256 pixel.
        assert apart <= (0 if exact else 2), (name, int(strength[i]))


def test_a_mixed_batch_is_its_pictures_done_alone(noise: Any) -> None:
    n = 3 * len(trivial.OPERATIONS)
    images = noise(n=n, h=16, w=16)
    random = np.random.default_rng(0)
    operation = torch.from_numpy(random.permutation(n) % len(trivial.OPERATIONS))
    strength = torch.from_numpy(random.integers(0, 31, n))
    negative = torch.from_numpy(random.random(n) < 0.5)
    together = trivial.apply(images, operation, strength, negative, "zero")
    before = images.clone()
    for i in range(n):
        one = slice(i, i + 1)
        alone = trivial.apply(images[one], operation[one], strength[one], negative[one], "zero")
        assert torch.equal(alone[0], together[i])
    assert torch.equal(images, before)
    assert not torch.equal(images, together)


@pytest.mark.parametrize("name", trivial.OPERATIONS)
def test_a_white_picture_at_strength_0_is_changed_by_solarize_alone(name: str) -> None:
    white = torch.full((2, 3, 8, 8), 255, dtype=torch.uint8)
    operation = torch.full((2,), trivial.OPERATIONS.index(name))
    found = trivial.apply(white, operation, torch.zeros(2).long(), torch.tensor([False, True]))
    assert torch.equal(found, white * (name != "solarize"))


def test_the_space_is_the_paper_s() -> None:
    assert len(trivial.OPERATIONS) == 14
    assert trivial.STRENGTHS == 31
