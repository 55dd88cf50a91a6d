"""Brightness, contrast, saturation and hue, as torchvision documents them.

Everything is worked out in float32 and rounded once, at the end. Each function takes one value
for each picture. Grey pictures have no saturation and no hue to change.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tinysight.augment.layout import by_picture, packed, planes

__all__ = ["brightness", "contrast", "grey", "jitter", "saturation"]

LUMA = (299, 587, 114)  # thousandths of red, green, blue: ITU-R BT.601


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with black: 0 is black, 1 changes nothing, 2 doubles every value."""
    return jitter(images, brightness=factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with the mean of the picture's own luma: 0 is an even grey, 1 changes nothing."""
    return jitter(images, contrast=factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with each pixel's luma: 0 is a grey picture, 1 changes nothing."""
    return jitter(images, saturation=factor)


def jitter(
    images: Tensor,
    *,
    brightness: Tensor | None = None,
    contrast: Tensor | None = None,
    saturation: Tensor | None = None,
    hue: Tensor | None = None,
) -> Tensor:
    """Change what is given, in the order of the arguments, and round once.

    After each change the values are clamped to 0..255, as torchvision does.

    Args:
        images: uint8, n c h w.
        brightness, contrast, saturation: n; see the functions of these names.
        hue: n; the turn of HSV's hue, as a share of the colour circle: 0.5 is the opposite.
    """
    pictures = planes(images)
    if brightness is not None:
        pictures = _brighten(pictures, by_picture(brightness, images))
    if contrast is not None:
        pictures = _contrast(pictures, by_picture(contrast, images))
    coloured = images.shape[1] == 3
    if coloured and saturation is not None:
        pictures = _saturate(pictures, by_picture(saturation, images))
    if coloured and hue is not None:
        pictures = _turn(pictures, by_picture(hue, images))
    return packed(pictures)


def grey(pictures: Tensor) -> Tensor:
    """Return the luma, n 1 h w, of float pictures; of grey ones the picture itself."""
    if pictures.shape[1] == 1:
        return pictures
    r, g, b = (pictures[:, i : i + 1] * (LUMA[i] / 1000) for i in range(3))
    return r + g + b


def _brighten(pictures: Tensor, factor: Tensor) -> Tensor:
    return pictures.mul_(factor).clamp_(0, 255)


def _contrast(pictures: Tensor, factor: Tensor) -> Tensor:
    h, w = pictures.shape[2:]
    # In whole numbers: the sum of floats would depend on how many threads share a picture.
    total = (grey(pictures) * 256).round_().to(torch.int64).sum((1, 2, 3))
    mean = (total.to(torch.float32) / (256 * h * w))[:, None, None, None]
    return pictures.mul_(factor).add_(mean * (1 - factor)).clamp_(0, 255)


def _saturate(pictures: Tensor, factor: Tensor) -> Tensor:
    luma = grey(pictures) * (1 - factor)
    return pictures.mul_(factor).add_(luma).clamp_(0, 255)


def _turn(pictures: Tensor, turn: Tensor) -> Tensor:
    """HSV and back with S and V left alone, so only the hue is ever computed.

    A channel is `V - C max(0, min(k, 4 - k, 1))` with `k = (o + 6 H) mod 6`, C = max - min and o
    of 5, 3, 1 for red, green, blue (Smith, "Color gamut transform pairs", SIGGRAPH 1978, in its
    branchless form).
    """
    r, g, b = pictures.unbind(1)
    top = pictures.amax(1)
    chroma = top - pictures.amin(1)
    safe = torch.where(chroma > 0, chroma, 1)
    sixths = torch.where(
        top == r, (g - b) / safe, torch.where(top == g, (b - r) / safe + 2, (r - g) / safe + 4)
    )
    sixths += turn[:, 0] * 6
    return torch.stack(
        [
            top - chroma * torch.minimum(k, 4 - k).clamp_(0, 1)
            for k in ((sixths + offset).remainder_(6) for offset in (5, 3, 1))
        ],
        1,
    )
