"""What PIL's ImageOps and ImageEnhance do to tones: the operations that TrivialAugment adds.

All work in whole numbers or round once, and take one value for each picture where they take any.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tinysight.augment.layout import beside, by_picture, packed, planes

__all__ = ["autocontrast", "equalize", "posterize", "sharpness", "solarize"]


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the upper `bits` (int64, n; 1 to 8) of every value."""
    mask = (256 - 2 ** (8 - bits)).to(torch.uint8)
    return images & beside(mask, images)[:, None, None, None]


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Turn every value v at or above `threshold` (n; 0 to 255) into 255 - v."""
    return torch.where(images >= by_picture(threshold, images), 255 - images, images)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with a smoothed picture: 0 is the smoothed one, 1 changes nothing, 2 sharpens.

    The smoothing is PIL's SMOOTH, (1 1 1, 1 5 1, 1 1 1) / 13; the outermost pixels stay. Unlike
    PIL, the smoothed picture is not rounded before it is blended.
    """
    if min(images.shape[2:]) < 3:
        return images
    pictures, by = planes(images), by_picture(factor, images)
    rows = pictures[:, :, :-2] + pictures[:, :, 1:-1] + pictures[:, :, 2:]
    inner = pictures[:, :, 1:-1, 1:-1]
    smooth = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + inner * 4) / 13
    pictures[:, :, 1:-1, 1:-1] = (smooth * (1 - by) + inner * by).clamp_(0, 255)
    return packed(pictures)


def autocontrast(images: Tensor) -> Tensor:
    """Stretch each channel of each picture so that its extremes become 0 and 255."""
    pictures = planes(images)
    low, high = pictures.amin((2, 3), keepdim=True), pictures.amax((2, 3), keepdim=True)
    flat = high == low
    stretched = (pictures - low) * 255 / torch.where(flat, 1, high - low)
    return packed(torch.where(flat, pictures, stretched))


def equalize(images: Tensor) -> Tensor:
    """Level the histogram of each channel of each picture, as PIL's ImageOps.equalize does."""
    n, c, h, w = images.shape
    values = images.contiguous().view(n * c, h * w).to(torch.int64)
    counts = torch.zeros(n * c, 256, dtype=torch.int64, device=images.device)
    counts.scatter_add_(1, values, torch.ones_like(values))
    last = values.amax(1)
    step = (h * w - counts.gather(1, last[:, None])) // 255
    below = counts.cumsum(1) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    # Too few pixels for a step, or a single value: PIL leaves the channel alone.
    table = torch.where(step > 0, table, torch.arange(256, device=images.device))
    levelled = table.gather(1, values).to(torch.uint8).view(n, c, h, w)
    return levelled.contiguous(memory_format=torch.channels_last)
