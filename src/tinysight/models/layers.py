"""The parts that the networks are made of, and the Classifier around a network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysight.errors import ModelError, first_line
from tinysight.models.keras_network import KerasNetwork

__all__ = [
    "Classifier",
    "GlobalMax",
    "Normalise",
    "PadShortcut",
    "Residual",
    "Scale",
    "Shuffle",
    "Whiten",
    "basic_block",
    "conv_norm_relu",
    "lay_out",
    "named",
    "plain_block",
    "residual",
]

GREY_LEVEL = 1 / 255


@final
class Normalise(nn.Module):
    """Bring pictures to mean 0 and deviation 1 a channel, as float32.

    `mean` and `deviation` are fractions of the full range (0..1), one a channel, and travel with
    the weights. A channel whose deviation is under one grey level is as good as constant: it is
    centred and otherwise left, so that a later picture that differs there does not explode.

    Attributes:
        memory_format: how what it returns lies in memory.
    """

    def __init__(
        self,
        mean: Sequence[float],
        deviation: Sequence[float],
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        super().__init__()
        self.memory_format = memory_format
        spread = torch.tensor(list(deviation), dtype=torch.float32)
        spread = torch.where(spread < GREY_LEVEL, torch.ones_like(spread), spread)
        self.mean: Tensor
        self.deviation: Tensor
        centre = torch.tensor(list(mean), dtype=torch.float32)
        self.register_buffer("mean", centre.view(-1, 1, 1))
        self.register_buffer("deviation", spread.view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the pictures (n c h w, values 0..255, uint8 or float) normalised.

        The arithmetic is float32 under autocast as well: 8 bits of mantissa hold a grey level,
        but not its difference from the mean. What follows may round.
        """
        # the conversion copies anyway, so the change of memory format costs nothing
        x = images.to(torch.float32, memory_format=self.memory_format)
        return (x - 255 * self.mean) / (255 * self.deviation)


@final
class Classifier(nn.Module):
    """A network with its normalisation: from pictures as they are to logits.

    Attributes:
        shape: height, width and channels of the pictures that it takes.
        sizes: heights and widths that it takes: those of `shape`, and what `accept` has added.
        classes: number of classes, k.
        name: its name in `MODELS`.
        note: what the builder chose for this size of picture, one phrase.
        memory_format: of its weights and of the pictures within it: channels-last, which
            convolutions on CPUs and tensor cores like, but for a network of the user's own that
            does not take it.
    """

    def __init__(
        self,
        net: nn.Module,
        shape: tuple[int, int, int],
        classes: int,
        *,
        mean: Sequence[float],
        deviation: Sequence[float],
        name: str = "custom",
        note: str = "",
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        super().__init__()
        if not len(mean) == len(deviation) == shape[2]:
            raise ModelError(
                f"mean and deviation must have one value for each of the {shape[2]} channels, "
                f"got {len(mean)} and {len(deviation)}"
            )
        self.shape, self.classes, self.name, self.note = shape, classes, name, note
        self.sizes = {shape[:2]}
        self.memory_format = memory_format
        self.normalise = Normalise(mean, deviation, memory_format)
        self.net = net

    @torch.no_grad()
    def accept(self, height: int, width: int) -> None:
        """Take pictures of this size too, as a training does that starts on smaller ones.

        Raises:
            ModelError: the network cannot. One that ends in a global pooling can, down to where
                its poolings leave nothing.
        """
        training, device = self.training, self.normalise.mean.device
        some = torch.zeros(1, self.shape[2], height, width, device=device)
        self.sizes.add((height, width))
        try:
            self.eval()(some)
        except Exception as error:  # a Keras model has others than torch's
            self.sizes.remove((height, width))
            h, w, _ = self.shape
            raise ModelError(
                f"model {self.name}, built for pictures of {w}x{h}, does not take those of "
                f"{width}x{height} that the training would start on ({first_line(error)}); "
                "use augment.shrink=1"
            ) from error
        finally:
            self.train(training)

    def penalty(self) -> Tensor | None:
        """Return what the network adds to the loss of its last pass, as a Keras model may."""
        return self.net.penalty() if isinstance(self.net, KerasNetwork) else None

    def constrain(self, *, unless: Tensor) -> None:
        """Do after a step what the network asks for, as a Keras model may; see `KerasNetwork`."""
        if isinstance(self.net, KerasNetwork):
            self.net.constrain(unless=unless)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n k, float32 under autocast too).

        Args:
            images: n c h w, values 0..255, uint8 or float.

        Raises:
            ModelError: pictures of a shape that the network was not built for, see `sizes`.
        """
        h, w, c = self.shape
        if images.ndim != 4 or images.shape[1] != c or tuple(images.shape[2:]) not in self.sizes:
            # a grey picture would otherwise be broadcast to colour in silence
            raise ModelError(
                f"model {self.name} takes pictures n {c} {h} {w} (n c h w), "
                f"got {' '.join(map(str, images.shape))}; build it for that size, or resize"
            )
        logits = self.net(self.normalise(images))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))


def lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Bring a module's weights of four dimensions into a memory format, in place."""
    # the stubs of Module.to do not know memory_format
    module.to(memory_format=memory_format)  # pyright: ignore[reportCallIssue]


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
