"""Rectangles set to one colour: cutout and random erasing.

A box is four int64 numbers: top, bottom, left, right, the second of each pair standing just
outside. It may reach over the picture's edge; what lies outside has no effect.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tinysight.augment.layout import beside, lines, unlined

__all__ = ["cover", "covered", "cutout_boxes", "erasing_boxes"]

ERASED_AREA = (0.02, 0.33)  # as a share of the picture
ERASED_ASPECT = (0.3, 3.3)  # height / width


def cover(images: Tensor, boxes: Tensor, colour: Tensor) -> Tensor:
    """Set what lies in the boxes (int64, n m 4: m a picture) to `colour` (uint8, c)."""
    c, h, w = images.shape[1:]
    boxes, colour = beside(boxes, images), beside(colour, images)
    inside = covered(boxes[:, 0], h, w, c)
    for other in boxes[:, 1:].unbind(1):
        inside |= covered(other, h, w, c)
    return unlined(torch.where(inside, colour.repeat(w), lines(images)), c)


def covered(boxes: Tensor, height: int, width: int, channels: int) -> Tensor:
    """Return which bytes of channels-last pictures lie in their box (n 4): bool, n h (w c)."""
    top, bottom, left, right = boxes[..., None].unbind(1)
    y = torch.arange(height, device=boxes.device)
    # One value a byte, not a pixel: what uses it then runs along whole lines of memory.
    x = torch.arange(width, device=boxes.device).repeat_interleave(channels)
    return ((y >= top) & (y < bottom))[:, :, None] & ((x >= left) & (x < right))[:, None]


def cutout_boxes(row: Tensor, column: Tensor, size: int, height: int, width: int) -> Tensor:
    """Return a square box (n 4) around a pixel drawn at random, cut off at the edges.

    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout",
    2017: the square may stand partly outside, so that some pictures keep most of their pixels.

    Args:
        row: float64 of [0, 1), n; which pixel of the height.
        column: likewise, of the width.
        size: the side, pixels.
        height: of the pictures.
        width: of the pictures.
    """
    top = (row * height).long() - size // 2
    left = (column * width).long() - size // 2
    return torch.stack([top, top + size, left, left + size], 1)


def erasing_boxes(
    area: Tensor, aspect: Tensor, row: Tensor, column: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Return the boxes (n 4) of random erasing and whether each fits into the picture (bool, n).

    Zhong et al., "Random erasing data augmentation", AAAI 2020 (algorithm 1), with torchvision's
    ranges: the area 2 to 33 % of the picture, height / width 0.3 to 3.3 on a logarithmic scale.

    Args:
        area: float64 of [0, 1), n; where in the range of areas.
        aspect: likewise, in the range of shapes.
        row: likewise, from the topmost to the lowest place.
        column: likewise, from left to right.
        height: of the pictures.
        width: of the pictures.
    """
    low, high = ERASED_AREA
    pixels = height * width * (low + area * (high - low))
    flattest, tallest = torch.tensor(ERASED_ASPECT, dtype=torch.float64).log()
    ratio = torch.exp(flattest + aspect * (tallest - flattest))
    tall = torch.sqrt(pixels * ratio).round().long()
    wide = torch.sqrt(pixels / ratio).round().long()
    fits = (tall <= height) & (wide <= width)
    top = (row * (height - tall + 1)).floor().long()
    left = (column * (width - wide + 1)).floor().long()
    return torch.stack([top, top + tall, left, left + wide], 1), fits
