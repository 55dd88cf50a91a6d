from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from tinysight.augment import geometry

# The bilinear weights are rounded to 1/256 pixel: on pure noise a value moves by at most
# 255 / 512 for each axis, and the rounding to whole levels adds a half to each side.
LEVELS = 2


def slow_crop(picture: Tensor, top: int, left: int, fill: str) -> Tensor:
    """Numpy's own padding, then a slice."""
    pad = max(abs(top), abs(left))
    mode: Any = "constant" if fill == "zero" else "reflect"
    _, h, w = picture.shape
    wide = np.pad(picture.numpy(), ((0, 0), (pad, pad), (pad, pad)), mode=mode)
    return torch.from_numpy(wide[:, pad + top :][:, :h, pad + left :][..., :w])


def slow_affine(images: Tensor, matrix: Tensor, fill: str) -> Tensor:
    """Scipy, a channel at a time. Its "reflect" repeats the edge, as ours does here."""
    n, c, h, w = images.shape
    mode = "grid-constant" if fill == "zero" else "reflect"
    centre = np.array([h - 1, w - 1]) / 2
    out = np.empty((n, c, h, w))
    for i, m in enumerate(matrix.double().numpy()):
        # Ours is in (x, y); scipy counts (y, x), from the first pixel.
        linear, shift = m[::-1, 1::-1], m[::-1, 2]
        offset: Any = centre + shift - linear @ centre
        for k in range(c):
            out[i, k] = ndimage.affine_transform(
                images[i, k].numpy().astype(float), linear, offset, order=1, mode=mode, cval=0
            )
    return torch.from_numpy(out)


def differ(found: Tensor, expected: Tensor) -> float:
    assert found.dtype == torch.uint8
    assert found.is_contiguous(memory_format=torch.channels_last)
    return float((found.double() - expected.double()).abs().max())


@pytest.mark.parametrize("channels", [1, 3])
def test_flip(noise: Any, channels: int) -> None:
    images = noise(c=channels)
    mirrored = torch.tensor([True, False, True, True, False, False])
    found = geometry.flip_crop(images, mirrored=mirrored)
    for i, picture in enumerate(images):
        expected = picture.numpy()[..., ::-1] if mirrored[i] else picture.numpy()
        assert np.array_equal(found[i].numpy(), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fill", ["zero", "reflect"])
def test_crop(noise: Any, fill: Any, channels: int) -> None:
    # 15 is more than the height and makes numpy reflect twice.
    top = torch.tensor([0, 4, -4, 3, -15, 15])
    left = torch.tensor([0, -4, 4, 1, 2, -15])
    images = noise(c=channels)
    found = geometry.flip_crop(images, top=top, left=left, fill=fill)
    expected = torch.stack(
        [slow_crop(p, int(t), int(s), fill) for p, t, s in zip(images, top, left, strict=True)]
    )
    assert differ(found, expected) == 0


@pytest.mark.parametrize("fill", ["zero", "reflect"])
def test_flip_comes_before_crop(noise: Any, fill: Any) -> None:
    images, top, left = noise(n=3), torch.tensor([1, -2, 0]), torch.tensor([-4, 3, 4])
    mirrored = torch.tensor([True, True, False])
    fused = geometry.flip_crop(images, mirrored=mirrored, top=top, left=left, fill=fill)
    flipped = geometry.flip_crop(images, mirrored=mirrored)
    assert torch.equal(fused, geometry.flip_crop(flipped, top=top, left=left, fill=fill))


def test_crop_reflects_without_repeating_the_edge_pixel() -> None:
    row = torch.tensor([10, 20, 30, 40], dtype=torch.uint8).view(1, 1, 1, 4)
    left = torch.tensor([-2])
    found = geometry.flip_crop(row, left=left, fill="reflect")
    assert found.flatten().tolist() == [30, 20, 10, 20]
    found = geometry.flip_crop(row, left=left, fill="zero")
    assert found.flatten().tolist() == [0, 0, 10, 20]


def test_affine_reflects_with_the_edge_pixel_repeated() -> None:
    row = torch.tensor([10, 20, 30, 40], dtype=torch.uint8).view(1, 1, 1, 4)
    matrix = geometry.similarity(right=torch.tensor([2.0]))
    found = geometry.affine(row, matrix, "reflect")
    assert found.flatten().tolist() == [20, 10, 10, 20]
    found = geometry.affine(row, matrix, "zero")
    assert found.flatten().tolist() == [0, 0, 10, 20]


@pytest.mark.parametrize(("h", "w"), [(32, 32), (12, 17), (28, 28)])
@pytest.mark.parametrize("fill", ["zero", "reflect"])
@pytest.mark.parametrize("channels", [1, 3])
def test_affine_against_scipy(noise: Any, fill: Any, channels: int, h: int, w: int) -> None:
    random = np.random.default_rng(1)
    images = noise(n=8, c=channels, h=h, w=w)
    matrix = torch.from_numpy(random.uniform(-1.5, 1.5, (8, 2, 3)))
    matrix[..., 2] *= 8
    found = geometry.affine(images, matrix, fill)
    expected = slow_affine(images, matrix, fill)
    assert differ(found, expected) <= LEVELS
    assert float((found.double() - expected).abs().mean()) < 0.5


def test_a_quarter_turn_is_exact_and_counter_clockwise(noise: Any) -> None:
    images = noise(n=3, h=16, w=16)
    degrees = torch.tensor([90.0, 180.0, -90.0], dtype=torch.float64)
    found = geometry.affine(images, geometry.similarity(degrees=degrees))
    for i, turns in enumerate((1, 2, 3)):
        assert torch.equal(found[i], torch.rot90(images[i], turns, (1, 2)))


def test_rotate_turns_as_pil_does(smooth: Any) -> None:
    images = smooth(n=4, h=33, w=33)
    degrees = torch.tensor([10.0, -36.0, 77.0, 135.0], dtype=torch.float64)
    found = geometry.affine(images, geometry.similarity(degrees=degrees), "zero")
    for picture, angle, turned in zip(images, degrees.tolist(), found, strict=True):
        pil = Image.fromarray(picture.permute(1, 2, 0).numpy())
        expected = np.asarray(pil.rotate(angle, Image.Resampling.BILINEAR)).astype(int)
        inner = (slice(8, 25), slice(8, 25))  # PIL's black outside has a hard edge, ours a soft
        ours = turned.permute(1, 2, 0).numpy().astype(int)
        assert np.abs(ours - expected)[inner].max() <= LEVELS


def test_translate_moves_right_and_down(noise: Any) -> None:
    images = noise(n=2)
    matrix = geometry.similarity(right=torch.tensor([3.0, 0]), down=torch.tensor([0, 2.0]))
    found = geometry.affine(images, matrix, "zero")
    assert torch.equal(found[0, :, :, 3:], images[0, :, :, :-3])
    assert torch.equal(found[1, :, 2:], images[1, :, :-2])
    assert not found[0, :, :, :3].any()
    assert not found[1, :, :2].any()


def test_zoom_above_one_enlarges() -> None:
    images = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    images[:, :, 12:20, 12:20] = 255
    factor = torch.tensor([2.0, 0.5], dtype=torch.float64)
    found = geometry.affine(images, geometry.similarity(factor=factor), "zero")
    assert found.float().mean((1, 2, 3)).mul(32 * 32 / 255).tolist() == pytest.approx(
        [16 * 16, 4 * 4], rel=0.02
    )


def test_zoom_against_scipy_s_own_zoom(smooth: Any) -> None:
    images = smooth(n=1, c=1, h=16, w=16)
    factor = torch.tensor([2.0], dtype=torch.float64)
    found = geometry.affine(images, geometry.similarity(factor=factor))
    grown = ndimage.zoom(
        images[0, 0].numpy().astype(float), 2, order=1, mode="reflect", grid_mode=True
    )
    assert differ(found, torch.from_numpy(grown[None, None, 8:24, 8:24])) <= LEVELS


def test_similarity_translates_then_turns_then_scales() -> None:
    """By hand: each step a 3 x 3 matrix on points, the product inverted."""
    right, down, degrees, factor = 3.0, -2.0, 30.0, 1.25
    angle = np.deg2rad(degrees)
    shift = np.array([[1, 0, right], [0, 1, down], [0, 0, 1]])
    turn = np.array(  # counter-clockwise on a screen whose y grows downwards
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    scale = np.diag([factor, factor, 1])
    expected = np.linalg.inv(scale @ turn @ shift)[:2]
    one = torch.ones(1, dtype=torch.float64)
    found = geometry.similarity(
        right=right * one, down=down * one, degrees=degrees * one, factor=factor * one
    )
    assert np.allclose(found[0].numpy(), expected)


def test_no_motion_changes_no_byte(noise: Any) -> None:
    for h, w in ((32, 32), (28, 28), (5, 9), (1, 1)):
        images = noise(h=h, w=w)
        still = torch.eye(3, dtype=torch.float64)[:2].expand(6, 2, 3)
        for fill in ("zero", "reflect"):
            assert torch.equal(geometry.affine(images, still, fill), images)


def test_smaller_pictures_are_means_of_what_they_cover() -> None:
    images = torch.randint(0, 256, (5, 3, 32, 48), dtype=torch.uint8)
    found = geometry.shrink(images, 24, 36)
    assert found.shape == (5, 3, 24, 36)
    for picture, small in zip(images, found, strict=True):
        drawn = Image.fromarray(picture.permute(1, 2, 0).numpy())
        expected = torch.from_numpy(np.array(drawn.resize((36, 24), Image.Resampling.BILINEAR)))
        assert (small.permute(1, 2, 0).int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("size", "share", "found"),
    [((32, 32), 0.75, (24, 24)), ((96, 64), 0.5, (48, 32)), ((40, 20), 0.5, (32, 16)),
     ((20, 12), 0.5, (20, 12)), ((1, 1), 0.75, (1, 1)), ((33, 32), 1.0, (33, 32))],
)  # fmt: skip
def test_pictures_are_never_shrunk_under_16_pixels(
    size: tuple[int, int], share: float, found: tuple[int, int]
) -> None:
    assert geometry.shrunk(*size, share) == found
