"""A Keras model, on torch's backend, as a torch module."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn

from tinysight.errors import ModelError

__all__ = ["KerasNetwork", "is_keras"]

Entry = Literal["n h w c", "n c h w", "n values"]


def is_keras(found: object) -> bool:
    """Say whether this is a Keras model that computes by torch."""
    origin = {kind.__module__.partition(".")[0] for kind in type(found).__mro__}
    return "keras" in origin and isinstance(found, nn.Module)


class KerasNetwork(nn.Module):
    """A Keras model that takes normalised pictures n c h w, as torch has them, to logits n k.

    Its variables are parameters and buffers of this module by their place and their own names: not
    by Keras's paths, which count the models that a process has made. Training and evaluation mode
    reach its layers as their argument `training`.

    Attributes:
        network: the Keras model.
        entry: how it takes pictures: h w c last, c first, or all values in a row (h w c).
    """

    network: Any
    entry: Entry

    def __init__(self, network: Any, entry: Entry) -> None:
        super().__init__()
        # Past torch's own registration, by which each variable would have two names.
        object.__setattr__(self, "network", network)
        self.entry = entry
        self._statistics: dict[str, Any] = {}
        for place, variable in enumerate(network.variables):
            name = f"{place:03d}_{variable.name.replace('.', '_')}"
            if variable.trainable:
                self.register_parameter(name, variable.value)
            else:
                self.register_buffer(name, variable.value)
                self._statistics[name] = variable

    @classmethod
    def made(cls, network: Any, name: str, shape: tuple[int, int, int]) -> Self:
        """Take a model as the user has it; what comes before its softmax is what it returns.

        Raises:
            ModelError: it does not take such pictures, or has no one output.
        """
        if not network.layers:
            raise ModelError(f"{name} has no layers")
        entry = _entry(network, name, shape)
        if not network.built:
            h, w, c = shape
            try:
                with torch.no_grad():
                    network(_arranged(torch.zeros(1, c, h, w), entry))
            except Exception as error:
                first = next(iter(str(error).splitlines()), type(error).__name__)
                raise ModelError(f"{name} cannot be built for {h}x{w}x{c}: {first}") from error
        return cls(_logits(network), entry)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n k) of pictures (n c h w)."""
        return self.network(_arranged(images, self.entry), training=self.training)

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasNetwork:
        with warnings.catch_warnings():  # Keras's own, of how it hands arrays to NumPy 2
            warnings.filterwarnings("ignore", "__array__ impl", DeprecationWarning)
            found = KerasNetwork(copy.deepcopy(self.network, memo), self.entry)
        found.load_state_dict(self.state_dict())
        for ours, theirs in zip(found.parameters(), self.parameters(), strict=True):
            ours.requires_grad_(theirs.requires_grad)
        return found.train(self.training)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Bring the other variables along; torch would put copies in their place."""
        super()._apply(fn, recurse)
        for name, variable in self._statistics.items():
            variable.value.data = fn(variable.value.data)
            self._buffers[name] = variable.value
        return self


def _arranged(images: Tensor, entry: Entry) -> Tensor:
    if entry == "n c h w":
        return images
    last = images.permute(0, 2, 3, 1)
    return last.flatten(1) if entry == "n values" else last


def _entry(network: Any, name: str, shape: tuple[int, int, int]) -> Entry:
    """How a model takes its pictures, by the shape of its input."""
    import keras

    h, w, c = shape
    try:
        given = network.input_shape
    except (AttributeError, ValueError):  # it has no shape before it is called
        last = keras.config.image_data_format() == "channels_last"
        return "n h w c" if last else "n c h w"
    if isinstance(given, list | dict):
        raise ModelError(f"{name} takes {len(given)} inputs, expected one: pictures")
    inner = tuple(given[1:])
    ways: dict[Entry, tuple[int, ...]] = {
        "n h w c": (h, w, c),
        "n c h w": (c, h, w),
        "n values": (h * w * c,),
    }
    fitting: list[Entry] = [
        way
        for way, sizes in ways.items()
        if len(sizes) == len(inner)
        and all(found in (None, size) for found, size in zip(inner, sizes, strict=True))
    ]
    if not fitting:
        raise ModelError(
            f"{name} takes {' x '.join(map(str, inner))}, the pictures are {h} x {w} x {c}; build "
            "it for them, as a function of shape and classes, or choose data.size"
        )
    first = keras.config.image_data_format() == "channels_first"
    return "n c h w" if first and "n c h w" in fitting else fitting[0]


def _logits(network: Any) -> Any:
    """The model without the softmax that its last layer ends in, if it does."""
    import keras

    last = network.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(network.inputs, last.input)
    ends = (keras.activations.softmax, keras.activations.log_softmax)
    if getattr(last, "activation", None) in ends:
        cast("Any", last).activation = keras.activations.linear
    return network
