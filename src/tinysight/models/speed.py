"""The network of the CIFAR speed runs: whitening, then three groups of convolutions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from torch import nn

from tinysight.models.layers import GlobalMax, Residual, Whiten, named
from tinysight.models.options import Widths
from tinysight.models.sizes import halvings, last

__all__ = ["speednet"]

PATCH = 2  # side of a whitened patch, pixels, where the picture is not halved by it


def speednet(
    shape: tuple[int, int, int],
    classes: int,
    *,
    widths: Widths = (64, 256, 256),
    depth: Literal[2, 3] = 2,
) -> tuple[nn.Module, str]:
    """Return the network of airbench94, or of airbench96 with `depth` 3, for any size.

    A fixed convolution whitens patches of 2x2 pixels (Page, 2018; set by `Whiten.adapt`). Three
    groups follow, each convolution, 2x2 maximum, norm, GELU, convolution, norm, GELU; with `depth`
    3 a third convolution and a shortcut around the last two. The first filters of a convolution
    start as the identity, and norms shift but do not scale. Of each channel the largest value goes
    into one dense layer. Source: K. Jordan, arXiv:2404.00498, sections 3 and 4.

    Differences: the whitening has no bias, so that nothing before the first group is trained or
    followed backwards, and pictures over 40 pixels are halved by it: larger patches, larger steps;
    norms add 1e-5 to a variance, not 1e-12, and with `depth` 3 too keep few steps' statistics.
    """
    steps, kept = halvings(shape, len(widths))
    stride = 2**steps
    side = min(PATCH * stride, *shape[:2])
    whiten = Whiten(shape[2], side, stride)
    inside = whiten.out_channels
    parts: dict[str, nn.Module] = {"whiten": whiten, "gelu": nn.GELU()}
    pools = last(kept, len(widths))
    for number, (outside, pool) in enumerate(zip(widths, pools, strict=True), start=1):
        parts[f"group{number}"] = _group(inside, outside, pool=pool, deep=depth == 3)
        inside = outside
    head = nn.Linear(inside, classes, bias=False)
    bound = math.sqrt(3) / inside  # of deviation 1 / inside, so that logits start small
    nn.init.uniform_(head.weight, -bound, bound)
    net = named(**parts, pool=GlobalMax(), flatten=nn.Flatten(), head=head)
    said = f"whitens patches {side} pixels wide, stride {stride}"
    reached = ", ".join(_sizes([(n - side) // stride + 1 for n in shape[:2]], pools))
    return net, f"{said}; groups at {reached} ({kept} of {len(widths)} poolings)"


def _sizes(size: list[int], pools: list[bool]) -> Iterator[str]:
    """How large the maps of each group are."""
    for pool in pools:
        size = [n // 2 for n in size] if pool else size
        yield f"{size[1]}x{size[0]}"


def _group(inside: int, outside: int, *, pool: bool, deep: bool) -> nn.Sequential:
    """Two or three convolutions with norm and GELU, the maximum right behind the first."""
    parts: dict[str, nn.Module] = {"conv1": _convolution(inside, outside)}
    if pool:
        parts["pool"] = nn.MaxPool2d(2)
    parts |= {"norm1": _norm(outside), "gelu1": nn.GELU()}
    second = {"conv2": _convolution(outside, outside), "norm2": _norm(outside)}
    if not deep:
        return named(**parts, **second, gelu2=nn.GELU())
    third = {"conv3": _convolution(outside, outside), "norm3": _norm(outside)}
    around = Residual(named(**second, gelu2=nn.GELU(), **third), None, nn.GELU())
    return named(**parts, around=around)


def _convolution(inside: int, outside: int) -> nn.Conv2d:
    """3x3, the first filters the identity as in section 3.3 of the paper, the others random."""
    layer = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[:inside])  # a view: where there are fewer filters, all of them
    return layer


def _norm(channels: int) -> nn.BatchNorm2d:
    """Shift but no scale, and statistics over the last few steps alone: the runs are short."""
    layer = nn.BatchNorm2d(channels, momentum=0.4)
    layer.weight.requires_grad_(False)
    return layer
