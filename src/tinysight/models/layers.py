"""The parts that the networks are made of."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "GlobalMax",
    "PadShortcut",
    "Residual",
    "Scale",
    "Shuffle",
    "Whiten",
    "basic_block",
    "conv_norm_relu",
    "named",
    "plain_block",
    "residual",
]


@final
class Scale(nn.Module):
    """Multiply by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` times the factor."""
        return x * self.factor


@final
class Shuffle(nn.Module):
    """Put the pixels of every picture into the same other order, drawn by a seed.

    What a picture holds stays; which pixels are neighbours goes.
    """

    def __init__(self, height: int, width: int, seed: int) -> None:
        super().__init__()
        order = torch.randperm(height * width, generator=torch.Generator("cpu").manual_seed(seed))
        self.order: Tensor
        self.register_buffer("order", order)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pictures (n c h w), their channels together as they were."""
        moved = x.flatten(2)[:, :, self.order].view_as(x)
        return moved.contiguous(memory_format=torch.channels_last)


@final
class Whiten(nn.Conv2d):
    """A fixed convolution that makes the values of a patch uncorrelated and of equal variance.

    Its filters are the eigenvectors of the covariance of patches, each divided by the root of its
    eigenvalue, those of the largest first; then the same negated, so that a rectifier behind keeps
    both signs. Source: Page, "How to train your ResNet" (2018), part 8; the negated half is that
    of hlb-CIFAR10 (T. Balsam, 2023).

    Until `adapt` has seen pictures the filters are random.
    """

    MOST = 24  # filters before they are doubled; a patch of 2x2 pixels in colour has 12 values
    AT_ONCE = 1_000_000  # pixels whose patches are held: 12 values of 8 bytes each
    EPSILON = 5e-4  # of hlb-CIFAR10; keeps what hardly varies from being blown up

    def __init__(self, channels: int, side: int, stride: int) -> None:
        self.kept = min(channels * side * side, self.MOST)
        super().__init__(channels, 2 * self.kept, side, stride, bias=False)
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def adapt(self, images: Tensor) -> None:
        """Set the filters by normalised pictures, n c h w float32; some thousand are enough."""
        total, seen = torch.zeros(()), 0
        for some in images.split(max(1, self.AT_ONCE // images[0, 0].numel())):
            patches = F.unfold(some, self.kernel_size, stride=self.stride)  # n (c side side) places
            flat = patches.transpose(1, 2).flatten(0, 1).double()
            total, seen = total + flat.T @ flat, seen + len(flat)
        values, vectors = torch.linalg.eigh(total / seen)
        scaled = vectors.T / (values.clamp_min(0)[:, None] + self.EPSILON).sqrt()
        rows = scaled.flip(0)[: self.kept]
        self.weight.copy_(torch.cat([rows, -rows]).view_as(self.weight))


@final
class GlobalMax(nn.Module):
    """The largest value of each channel, of equal ones the first: n c h w to n c 1 1.

    As AdaptiveMaxPool2d(1), bit for bit and in its gradient, which on a GPU is summed in any order
    there. `amax` would share the gradient among equal values, which are common in bf16.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the map's maxima."""
        return x.flatten(2).max(2).values[..., None, None]


@final
class PadShortcut(nn.Module):
    """Carry a map past a block that widens or strides, without parameters.

    Option A of He et al., "Deep residual learning for image recognition" (2016), section 3.3:
    every `stride`-th pixel, and channels of zeros, half before and half after.
    """

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        before = (outside - inside) // 2
        self.stride = stride
        self.channels = (before, outside - inside - before)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map as the block's own output is shaped."""
        if self.stride > 1:
            x = F.avg_pool2d(x, 1, self.stride)  # a window of one pixel: picks, averages nothing
        return F.pad(x, (0, 0, 0, 0, *self.channels))


@final
class Residual(nn.Module):
    """Add what `body` makes of a map to the map itself, or to its shortcut."""

    def __init__(
        self,
        body: nn.Module,
        shortcut: nn.Module | None = None,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body, self.shortcut, self.activation = body, shortcut, activation

    def forward(self, x: Tensor) -> Tensor:
        """Return activation(body(x) + shortcut(x)); what is absent leaves its input."""
        x = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return x if self.activation is None else self.activation(x)


def named(**parts: nn.Module) -> nn.Sequential:
    """Return the parts in order, each under its name."""
    return nn.Sequential(OrderedDict(parts))


def conv_norm_relu(
    inside: int, outside: int, *, stride: int = 1, pool: bool = False
) -> nn.Sequential:
    """Return a 3x3 convolution without bias, batch norm and ReLU.

    With `pool` a 2x2 maximum stands right behind the convolution, so that norm and ReLU work on a
    quarter of the pixels.
    """
    parts: dict[str, nn.Module] = {
        "conv": nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
    }
    if pool:
        parts["pool"] = nn.MaxPool2d(2)
    return named(**parts, norm=nn.BatchNorm2d(outside), relu=nn.ReLU())


def residual(channels: int) -> Residual:
    """Return x + conv(conv(x)), conv being convolution, norm and ReLU."""
    return Residual(
        named(first=conv_norm_relu(channels, channels), second=conv_norm_relu(channels, channels))
    )


def basic_block(
    inside: int, outside: int, *, stride: int = 1, shortcut: Literal["pad", "project"]
) -> Residual:
    """Return the basic block of He et al. (2016): two 3x3 convolutions, ReLU after the sum.

    Where the shape changes, `shortcut` decides: "pad" is option A, "project" option B (a 1x1
    convolution with batch norm).
    """
    side: nn.Module | None = None
    if stride != 1 or inside != outside:
        if shortcut == "pad":
            side = PadShortcut(inside, outside, stride)
        else:
            side = named(
                conv=nn.Conv2d(inside, outside, 1, stride, bias=False),
                norm=nn.BatchNorm2d(outside),
            )
    return Residual(_body(inside, outside, stride), side, nn.ReLU())


def plain_block(inside: int, outside: int, *, stride: int = 1) -> nn.Sequential:
    """Return the layers of `basic_block` in a row, nothing added around them."""
    return named(body=_body(inside, outside, stride), activation=nn.ReLU())


def _body(inside: int, outside: int, stride: int) -> nn.Sequential:
    return named(
        first=conv_norm_relu(inside, outside, stride=stride),
        second=named(
            conv=nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(outside),
        ),
    )
