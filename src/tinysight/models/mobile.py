"""Networks of few operations: depthwise separable convolutions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from tinysight.models.layers import Residual, named
from tinysight.models.sizes import halvings, last

__all__ = ["mobilenet"]

# Of each stage: channels, blocks, and whether it is one of those that may halve.
STAGES = (
    (16, 1, False),
    (24, 2, False),
    (32, 3, True),
    (64, 4, True),
    (96, 3, False),
    (160, 3, True),
    (320, 1, False),
)
STEM, LAST = 32, 1280
DIVISOR = 8  # of every number of channels, as in the source

Scaled = Annotated[float, Field(strict=True, ge=0.25, le=4, allow_inf_nan=False)]
Expansion = Annotated[int, Field(strict=True, ge=1, le=12)]


def mobilenet(
    shape: tuple[int, int, int], classes: int, *, width: Scaled = 1.0, expansion: Expansion = 6
) -> tuple[nn.Module, str]:
    """Return the MobileNetV2 of Sandler et al. (arXiv:1801.04381), table 2, for small pictures.

    Blocks widen `expansion` times by a 1x1 convolution, look around by a 3x3 one of each channel
    alone, and narrow by a 1x1 one without activation; `width` multiplies the channels. Of the five
    halvings made for 224 pixels the first two are left out, so that 32 pixels end as 4.

    Convolutions start from a normal distribution of variance 2 / fan out, as torchvision has them.
    Its dropout before the last layer, and that layer's start of deviation 0.01, are left out.
    """
    steps, kept = halvings(shape, sum(halving for _, _, halving in STAGES))
    halves = iter(last(kept, sum(halving for _, _, halving in STAGES)))
    inside = _channels(STEM, width)
    strides = [2] * steps or [1]
    stem = {
        f"step{i}": _conv(shape[2] if i == 1 else inside, inside, 3, stride)
        for i, stride in enumerate(strides, start=1)
    }
    parts: dict[str, nn.Module] = {"stem": named(**stem)}
    for number, (channels, blocks, halving) in enumerate(STAGES, start=1):
        outside = _channels(channels, width)
        stride = 2 if halving and next(halves) else 1
        factor = 1 if number == 1 else expansion
        stage: dict[str, nn.Module] = {}
        for place in range(1, blocks + 1):
            stage[f"block{place}"] = _block(inside, outside, stride if place == 1 else 1, factor)
            inside = outside
        parts[f"stage{number}"] = named(**stage)
    wide = _channels(LAST, max(1.0, width))
    net = named(
        **parts,
        widen=_conv(inside, wide, 1),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        head=nn.Linear(wide, classes),
    )
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    h, w, _ = shape
    return net, f"{steps + kept} halvings of {w}x{h} pictures, {steps} of them in the stem"


def _channels(count: int, width: float) -> int:
    """So many times the width, as a multiple of DIVISOR that is not over a tenth below it."""
    wanted = count * width
    found = max(DIVISOR, int(wanted + DIVISOR / 2) // DIVISOR * DIVISOR)
    return found if found >= 0.9 * wanted else found + DIVISOR


def _conv(
    inside: int, outside: int, side: int, stride: int = 1, *, groups: int = 1
) -> nn.Sequential:
    """A convolution, batch norm and ReLU6."""
    return named(
        conv=nn.Conv2d(inside, outside, side, stride, padding=side // 2, groups=groups, bias=False),
        norm=nn.BatchNorm2d(outside),
        relu=nn.ReLU6(),
    )


def _block(inside: int, outside: int, stride: int, expansion: int) -> nn.Module:
    """An inverted residual: around it a shortcut where its output is as its input."""
    wide = inside * expansion
    parts: dict[str, nn.Module] = {"expand": _conv(inside, wide, 1)} if expansion > 1 else {}
    body = named(
        **parts,
        depthwise=_conv(wide, wide, 3, stride, groups=wide),
        project=named(conv=nn.Conv2d(wide, outside, 1, bias=False), norm=nn.BatchNorm2d(outside)),
    )
    return Residual(body) if stride == 1 and inside == outside else body
