"""What Keras does otherwise than torch: how weights start, batch norm, `same` padding.

Source: keras.io/api, version 3.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from tinysight.models.layers import named

__all__ = ["Conventions", "batch_norm", "same_conv", "start"]

Conventions = Literal["torch", "keras"]


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm with Keras's epsilon of 1e-3 and momentum of 0.99, 0.01 in torch's."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def same_conv(
    size: tuple[int, int], inside: int, outside: int, side: int, stride: int = 1
) -> tuple[nn.Module, tuple[int, int]]:
    """Return a convolution padded as `same` for maps of `size` (h w), and the size it leaves.

    It leaves size / stride, rounded up. What has to be padded for that is divided between both
    ends, an odd rest to the far one: of 32 pixels by 3x3 with stride 2, 0 before and 1 after, where
    torch's padding=1 has 1 and 0 in effect.
    """
    left = tuple(-(-n // stride) for n in size)
    need = [max((m - 1) * stride + side - n, 0) for n, m in zip(size, left, strict=True)]
    (top, bottom), (before, after) = ((n // 2, n - n // 2) for n in need)
    if (top, before) == (bottom, after):
        conv: nn.Module = nn.Conv2d(inside, outside, side, stride, padding=(top, before))
    else:
        conv = named(
            pad=nn.ZeroPad2d((before, after, top, bottom)),
            conv=nn.Conv2d(inside, outside, side, stride),
        )
    return conv, (left[0], left[1])


def start(net: nn.Module) -> None:
    """Start convolutions and dense layers as Keras has it: Glorot uniform kernels, biases of 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
