"""How pictures lie in memory: lines of bytes, planes of floats."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["beside", "by_picture", "lines", "packed", "planes", "unlined"]


def lines(images: Tensor) -> Tensor:
    """Return n h (w c): the bytes in the order of channels-last memory, where it is that a view."""
    n, c, h, w = images.shape
    return images.permute(0, 2, 3, 1).contiguous().view(n, h, w * c)


def unlined(lines: Tensor, channels: int) -> Tensor:
    """Return the pictures, n c h w, of which `lines` made lines; a view."""
    n, h, bytes_ = lines.shape
    return lines.view(n, h, bytes_ // channels, channels).permute(0, 3, 1, 2)


def planes(images: Tensor) -> Tensor:
    """Return the pictures as float32 with a channel in one run of memory; always a copy."""
    return images.contiguous().float()


def packed(planes: Tensor) -> Tensor:
    """Return floats of 0 to 255 rounded to uint8, in channels-last memory."""
    return planes.round_().to(torch.uint8).contiguous(memory_format=torch.channels_last)


def beside(values: Tensor, images: Tensor) -> Tensor:
    """Return values from the CPU on the device of the pictures; a GPU is not waited for.

    Only from pinned memory does CUDA promise that.
    """
    if images.is_cuda:
        return values.pin_memory().to(images.device, non_blocking=True)
    return values.to(images.device)


def by_picture(values: Tensor, images: Tensor) -> Tensor:
    """Return one value a picture (n) as float32 beside the pictures, n 1 1 1."""
    return beside(values.to(torch.float32), images)[:, None, None, None]
