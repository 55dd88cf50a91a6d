"""Residual networks for small pictures: ResNet-9, ResNet-18, the CIFAR ResNets, P2's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from torch import nn

from tinysight.models.layers import (
    GlobalMax,
    Scale,
    basic_block,
    conv_norm_relu,
    named,
    plain_block,
    residual,
)
from tinysight.models.options import Dropout, ProjectedWidth, Width
from tinysight.models.sizes import halvings, last

__all__ = ["p2", "resnet", "resnet9", "resnet18"]


def _depth(value: int) -> int:
    if value < 8 or value % 6 != 2:
        near = max(8, 6 * round((value - 2) / 6) + 2)
        raise ValueError(f"must be 6n+2 (8, 14, 20, 26, 32, ...), the nearest {near}")
    return value


Depth = Annotated[int, Field(strict=True, le=1202), AfterValidator(_depth)]
Blocks = Annotated[int, Field(strict=True, ge=1, le=32)]
Factor = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]


def resnet9(
    shape: tuple[int, int, int], classes: int, *, width: Width = 32, scale: Factor = 0.125
) -> tuple[nn.Module, str]:
    """Return a shallow residual network that learns fast; `scale` multiplies the logits.

    After D. Page, "How to train your ResNet" (myrtle.ai, 2018-19), with the first pooling moved to
    the front, which measured fastest at equal accuracy on a CPU. Weights start as torch has it,
    with which that was measured.
    """
    steps, kept = halvings(shape, 3)
    early, middle, late = last(kept, 3)
    parts: dict[str, nn.Module] = {}
    inside = shape[2]
    if steps:
        parts["reduce"] = _stem(inside, width, steps)
        inside = width
    parts["stem"] = conv_norm_relu(inside, width, pool=early)
    parts["conv1"] = conv_norm_relu(width, 2 * width)
    parts["conv2"] = conv_norm_relu(2 * width, 4 * width, pool=middle)
    parts["residual2"] = residual(4 * width)
    parts["conv3"] = conv_norm_relu(4 * width, 8 * width, pool=late)
    parts["residual3"] = residual(8 * width)
    net = named(
        **parts,
        pool=GlobalMax(),
        flatten=nn.Flatten(),
        head=nn.Linear(8 * width, classes, bias=False),
        scale=Scale(scale),
    )
    h, w = _ceil_halved(shape[:2], steps)
    reached = f"{w >> kept}x{h >> kept}"
    return net, f"{_said(shape, steps)}; {_counted(kept, 3)} poolings, to {reached}"


def resnet(
    shape: tuple[int, int, int],
    classes: int,
    *,
    depth: Depth = 20,
    width: Width = 16,
    shortcuts: bool = True,
) -> tuple[nn.Module, str]:
    """Return the CIFAR ResNet of He et al. (2016), section 4.2, of 6n+2 layers.

    Three stages of n basic blocks with `width`, twice and four times `width` channels. Shortcuts
    are option A (no parameters), as in the paper's CIFAR experiments. Without `shortcuts` it is the
    plain network that the paper compares: the same layers, nothing added around them.
    """
    blocks = [(depth - 2) // 6] * 3
    return _he(shape, classes, blocks, width, shortcut="pad" if shortcuts else None)


def resnet18(
    shape: tuple[int, int, int], classes: int, *, width: ProjectedWidth = 64
) -> tuple[nn.Module, str]:
    """Return the ResNet-18 of He et al. (2016) with the small stem: 3x3, stride 1, no pooling.

    Four stages of two basic blocks, `width` to eight times `width` channels, shortcuts of option B
    (1x1 convolutions).
    """
    return _he(shape, classes, [2, 2, 2, 2], width, shortcut="project")


def p2(
    shape: tuple[int, int, int],
    classes: int,
    *,
    depth: Blocks = 1,
    width: ProjectedWidth = 48,
    dropout: Dropout = 0.5,
) -> tuple[nn.Module, str]:
    """Return our network for source project P2, which names its parts and leaves their sizes open.

    A 3x3 convolution of `width` channels; three stages, each a 2x2 maximum and `depth` basic blocks
    of twice the channels before, with shortcuts of option B; dropout and one dense layer. Weights
    start as in `resnet18`.
    """
    steps, kept = halvings(shape, 3)
    h, w = _ceil_halved(shape[:2], steps)
    parts: dict[str, nn.Module] = {"stem": _stem(shape[2], width, steps)}
    inside = width
    for number, pool in enumerate(last(kept, 3), start=1):
        stage: dict[str, nn.Module] = {}
        if pool:
            stage["pool"] = nn.MaxPool2d(2)
            h, w = h // 2, w // 2
        outside = width * 2**number
        for block in range(1, depth + 1):
            stage[f"block{block}"] = basic_block(inside, outside, shortcut="project")
            inside = outside
        parts[f"stage{number}"] = named(**stage)
    features = h * w * inside
    if dropout:
        parts["dropout"] = nn.Dropout(dropout)
    net = named(**parts, flatten=nn.Flatten(), head=nn.Linear(features, classes))
    _start(net)
    counted = f"{_counted(kept, 3)} poolings, to {w}x{h}"
    return net, f"{_said(shape, steps)}; {counted}; flattens {features:,} values"


def _he(
    shape: tuple[int, int, int],
    classes: int,
    blocks: Sequence[int],
    width: int,
    *,
    shortcut: Literal["pad", "project"] | None,
) -> tuple[nn.Module, str]:
    """Stages of basic blocks, each twice as wide as the one before, all but the first halving.

    Convolutions start from a normal distribution of variance 2 / fan out (He et al., "Delving deep
    into rectifiers", 2015), the dense layer as torch has it.
    """
    steps, kept = halvings(shape, len(blocks) - 1)
    halves = [False, *last(kept, len(blocks) - 1)]
    parts: dict[str, nn.Module] = {"stem": _stem(shape[2], width, steps)}
    inside = width
    size = _ceil_halved(shape[:2], steps)
    sizes = []
    for number, (count, halve) in enumerate(zip(blocks, halves, strict=True)):
        outside = width * 2**number
        stage: dict[str, nn.Module] = {}
        for block in range(count):
            stride = 2 if halve and not block else 1
            stage[f"block{block + 1}"] = (
                basic_block(inside, outside, stride=stride, shortcut=shortcut)
                if shortcut
                else plain_block(inside, outside, stride=stride)
            )
            inside = outside
        parts[f"stage{number + 1}"] = named(**stage)
        size = _ceil_halved(size, int(halve))
        sizes.append(f"{size[1]}x{size[0]}")
    net = named(
        **parts,
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        head=nn.Linear(inside, classes),
    )
    _start(net)
    counted = _counted(kept, len(blocks) - 1)
    return net, f"{_said(shape, steps)}; stages at {', '.join(sizes)} ({counted} halvings)"


def _start(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _stem(inside: int, width: int, steps: int) -> nn.Sequential:
    """One 3x3 convolution of stride 1, or `steps` of stride 2, with norm and ReLU."""
    if steps == 0:
        return conv_norm_relu(inside, width)
    first = conv_norm_relu(inside, width, stride=2)
    others = [conv_norm_relu(width, width, stride=2) for _ in range(steps - 1)]
    return named(**{f"step{i}": step for i, step in enumerate([first, *others], start=1)})


def _ceil_halved(size: tuple[int, int], times: int) -> tuple[int, int]:
    """What a padded 3x3 convolution of stride 2 leaves, so many times over."""
    return -(-size[0] // 2**times), -(-size[1] // 2**times)


def _said(shape: tuple[int, int, int], steps: int) -> str:
    stride = f"stride {2**steps}" + (f" in {steps} steps" if steps > 1 else "")
    return f"stem 3x3, {stride}, for {shape[1]}x{shape[0]} pictures"


def _counted(kept: int, wanted: int) -> str:
    return str(kept) if kept == wanted else f"{kept} of {wanted}"
