"""TrivialAugment: one operation, of one strength, for each picture.

Mueller and Hutter, "TrivialAugment: tuning-free yet state-of-the-art data augmentation", ICCV
2021, the wide space, with torchvision's parametrisation: an operation drawn evenly, a strength
drawn evenly from 31, a sign where the operation has one. Unlike there, shears turn about the
picture's centre, resampling is bilinear, and what stands outside is the recipe's `fill`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tinysight.augment.colour import brightness, contrast, saturation
from tinysight.augment.geometry import Fill, affine
from tinysight.augment.layout import beside
from tinysight.augment.tone import autocontrast, equalize, posterize, sharpness, solarize

__all__ = ["OPERATIONS", "STRENGTHS", "apply"]

OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "saturation",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)
STRENGTHS = 31

SHEAR = 0.99  # pixels a pixel
SHIFT = 32.0  # pixels, whatever the picture's size
TURN = 135.0  # degrees
BLEND = 0.99  # brightness, saturation, contrast, sharpness: factors 0.01 to 1.99
FEWEST_BITS = 2

BLENDS = {
    "brightness": brightness,
    "saturation": saturation,
    "contrast": contrast,
    "sharpness": sharpness,
}


def apply(
    images: Tensor, operation: Tensor, strength: Tensor, negative: Tensor, fill: Fill = "reflect"
) -> Tensor:
    """Do to each picture its operation; the pictures of one operation go together.

    Args:
        images: uint8, n c h w.
        operation: int64, n; positions in OPERATIONS.
        strength: int64, n; 0 to 30. Of 0 most operations change nothing; autocontrast and equalize
            know no strength, and solarize turns 255 to 0 even then, as torchvision's does.
        negative: bool, n; whether a shift, a turn or a blend goes the other way.
        fill: what stands outside the picture.
    """
    level = strength.double() / (STRENGTHS - 1)
    signed = torch.where(negative, -level, level)
    changed = images.clone(memory_format=torch.channels_last)
    moves = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
    groups = [moves, *((name,) for name in OPERATIONS if name not in (*moves, "identity"))]
    for names in groups:
        wanted = torch.tensor([OPERATIONS.index(name) for name in names])
        at = torch.isin(operation, wanted).nonzero()[:, 0]
        if len(at) == 0:
            continue
        there = beside(at, images)
        some = images.index_select(0, there)
        if names is moves:
            some = affine(some, _matrices(operation[at], signed[at]), fill)
        else:
            some = _tone(some, names[0], level[at], signed[at])
        changed.index_copy_(0, there, some)
    return changed


def _tone(images: Tensor, name: str, level: Tensor, signed: Tensor) -> Tensor:
    if name in BLENDS:
        return BLENDS[name](images, 1 + BLEND * signed)
    if name == "posterize":
        return posterize(images, (8 - level * (8 - FEWEST_BITS)).round().long())
    if name == "solarize":
        return solarize(images, 255 * (1 - level))
    return autocontrast(images) if name == "autocontrast" else equalize(images)


def _matrices(operation: Tensor, signed: Tensor) -> Tensor:
    """Every move as a matrix for `affine`, so that all take one resampling together."""

    def of(name: str, size: float) -> Tensor:
        return torch.where(operation == OPERATIONS.index(name), size * signed, 0)

    angle = torch.deg2rad(of("rotate", TURN))
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack(
        [
            cosine,
            of("shear_x", SHEAR) - sine,
            -of("translate_x", SHIFT),
            sine + of("shear_y", SHEAR),
            cosine,
            -of("translate_y", SHIFT),
        ],
        1,
    ).view(-1, 2, 3)
