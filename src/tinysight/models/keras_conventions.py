"""What Keras does otherwise than torch: how weights start, batch norm, `same` padding.

Source: keras.io/api, version 3.
"""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tinysight.models.layers import named

__all__ = [
    "BatchNormBiased1d",
    "BatchNormBiased2d",
    "Conventions",
    "batch_norm",
    "batch_norm_1d",
    "same_conv",
    "start",
]

Conventions = Literal["torch", "keras"]


class _Biased(_BatchNorm):
    """A batch norm whose running variance is made of the batches' own.

    torch takes n / (n - 1) times as much, the estimate of what the n values are a sample of.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Return the values, normalised."""
        variance = self.running_var
        before = variance.clone() if self.training and variance is not None else None
        output = super().forward(input)
        if before is not None:
            self.correct(before, input.numel() // input.shape[1])
        return output

    @torch.no_grad()
    def correct(self, before: Tensor, n: int) -> None:
        """Make torch's update of a running variance, `before`, by a batch of `n` values Keras's."""
        assert self.running_var is not None
        assert self.momentum is not None
        added = self.running_var - (1 - self.momentum) * before
        # Past autograd, which has kept it for the backward pass, where it is not used.
        self.running_var.data.sub_(added / n)


@final
class BatchNormBiased1d(_Biased, nn.BatchNorm1d):
    """Of vectors, n c."""


@final
class BatchNormBiased2d(_Biased, nn.BatchNorm2d):
    """Of maps, n c h w."""


def batch_norm(channels: int) -> BatchNormBiased2d:
    """Return a batch norm of maps with Keras's epsilon of 1e-3 and momentum of 0.99.

    Torch's convention calls that momentum 0.01.
    """
    return BatchNormBiased2d(channels, eps=1e-3, momentum=0.01)


def batch_norm_1d(channels: int) -> BatchNormBiased1d:
    """Return the same of vectors."""
    return BatchNormBiased1d(channels, eps=1e-3, momentum=0.01)


def same_conv(
    size: tuple[int, int], inside: int, outside: int, side: int, stride: int = 1
) -> tuple[nn.Module, tuple[int, int]]:
    """Return a convolution without bias, padded as `same` for maps of `size` (h w); its own size.

    It leaves size / stride, rounded up. What has to be padded for that is divided between both
    ends, an odd rest to the far one: of 32 pixels by 3x3 with stride 2, 0 before and 1 after, where
    torch's padding=1 has 1 and 0 in effect.
    """
    left = tuple(-(-n // stride) for n in size)
    need = [max((m - 1) * stride + side - n, 0) for n, m in zip(size, left, strict=True)]
    (top, bottom), (before, after) = ((n // 2, n - n // 2) for n in need)
    if (top, before) == (bottom, after):
        pad = (top, before)
        conv: nn.Module = nn.Conv2d(inside, outside, side, stride, padding=pad, bias=False)
    else:
        conv = named(
            pad=nn.ZeroPad2d((before, after, top, bottom)),
            conv=nn.Conv2d(inside, outside, side, stride, bias=False),
        )
    return conv, (left[0], left[1])


def start(net: nn.Module) -> None:
    """Start convolutions and dense layers as Keras has it: Glorot uniform kernels, biases of 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
