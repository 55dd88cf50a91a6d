"""The Classifier around a network: from pictures as they are, normalised, to logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from tinysight.errors import ModelError, first_line
from tinysight.models.keras_network import KerasNetwork

__all__ = ["Classifier", "Normalise", "lay_out"]

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
