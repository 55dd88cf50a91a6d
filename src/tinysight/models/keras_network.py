"""A Keras model, on torch's backend, as a torch module."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from tinysight.errors import ModelError, first_line
from tinysight.models.logits import squashed_by
from tinysight.pictures.formats import sized

__all__ = ["KerasNetwork", "is_keras"]

UNNAMED = re.compile(r"^(variable)_\d+$")  # as Keras counts them, through the process
Entry = Literal["n h w c", "n c h w", "n values"]


def is_keras(found: object) -> bool:
    """Say whether this is a model or a layer of Keras."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(found, keras.layers.Layer)


class KerasNetwork(nn.Module):
    """A Keras model that takes normalised pictures n c h w, as torch has them, to logits n k.

    Its variables are parameters and buffers of this module by their place and their own names: not
    by Keras's paths, which count the layers that a process has made. Training and evaluation mode
    reach its layers as their argument `training`.

    Attributes:
        network: the Keras model.
        entry: how it takes pictures: h w c last, c first, or all values in a row (h w c).
        again: makes the same network anew, with weights of its own; see `__deepcopy__`.
    """

    network: Any
    entry: Entry
    again: Callable[[], KerasNetwork]

    def __init__(self, network: Any, entry: Entry, again: Callable[[], KerasNetwork]) -> None:
        super().__init__()
        # Past torch's own registration, by which each variable would have two names.
        object.__setattr__(self, "network", network)
        self.entry, self.again = entry, again
        self._statistics: dict[str, Any] = {}
        for place, variable in enumerate(network.variables):
            own = UNNAMED.sub(r"\1", variable.name).replace(".", "_")
            name = f"{place:03d}_{own}"
            if variable.trainable:
                self.register_parameter(name, variable.value)
            else:
                self.register_buffer(name, variable.value)
                self._statistics[name] = variable

    @classmethod
    def made(
        cls,
        network: Any,
        name: str,
        shape: tuple[int, int, int],
        again: Callable[[], KerasNetwork],
    ) -> Self:
        """Take a model as the user has it; what comes before its softmax is what it returns.

        Args:
            again: makes such a model and takes it likewise, for copies.

        Raises:
            ModelError: it is no model, has no layers, or does not take such pictures.
        """
        import keras

        if not isinstance(network, keras.Model):
            raise ModelError(
                f"{name} is a layer of Keras, {type(network).__name__}, expected a model: "
                "keras.Sequential([...])"
            )
        if not network.layers:
            raise ModelError(f"{name} has no layers")
        entry = _entry(network, name, shape)
        h, w, c = shape
        pictures = _arranged(torch.zeros(1, c, h, w), entry)
        if not network.built:
            try:
                with torch.no_grad():
                    network(pictures)
            except Exception as error:
                raise ModelError(
                    f"{name} cannot be built for {sized(shape)}: {first_line(error)}"
                ) from error
        return cls(_without_softmax(network, pictures), entry, again)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n k) of pictures (n c h w)."""
        import keras

        with keras.device(str(images.device)):  # else Keras takes everything to one of its own
            return self.network(_arranged(images, self.entry), training=self.training)

    def penalty(self) -> Tensor | None:
        """Return what the model added to its loss in the last pass: regularisers, `add_loss`."""
        losses = self.network.losses
        return torch.stack([torch.as_tensor(loss) for loss in losses]).sum() if losses else None

    def constrain(self, *, unless: Tensor) -> None:
        """Bring the weights to where their constraints want them, as Keras does after a step.

        An average of weights (`ema`) is not brought there, as it is not in Keras.

        Args:
            unless: whether to leave them: one value on their device, not waited for.
        """
        import keras

        for variable in self.network.trainable_variables:
            if variable.constraint is not None:
                with torch.no_grad(), keras.device(str(variable.value.device)):
                    value = variable.value
                    value.copy_(torch.where(unless, value, variable.constraint(value)))

    @contextmanager
    def watched(
        self, enter: Callable[[], None], leave: Callable[[str, Any, Sequence[Any], Any], None]
    ) -> Iterator[None]:
        """Call `enter` before and `leave` after each layer, whose torch hooks Keras does not call.

        Args:
            leave: takes a layer's name, the layer, its learnable variables and its output.
        """

        def watching(name: str, layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
            def called(*args: Any, **kwargs: Any) -> Any:
                enter()
                output = call(*args, **kwargs)
                leave(name, layer, layer.trainable_variables, output)
                return output

            return called

        leaves = _leaves(self.network)
        try:
            for name, layer in leaves:  # past Keras's own __setattr__, which tracks what is set
                object.__setattr__(layer, "call", watching(name, layer, layer.call))
            yield
        finally:
            for _, layer in leaves:
                layer.__dict__.pop("call", None)

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasNetwork:
        """Make the network anew and give it these weights.

        Keras would copy by what a model and its layers say of themselves in `get_config`, which
        those of users seldom say in full.

        Raises:
            ModelError: it cannot be made twice.
        """
        with torch.random.fork_rng(devices=[]):
            found = self.again()
        own = set(map(id, self.network.variables))
        if any(id(variable) in own for variable in found.network.variables):
            raise ModelError(
                f"{self.network.name} is made in a file that the one named imports, once and for "
                "all; name that file, or a function that makes it"
            )
        found.load_state_dict(self.state_dict())
        for ours, theirs in zip(found.parameters(), self.parameters(), strict=True):
            ours.requires_grad_(theirs.requires_grad)
        return found.to(next(self.parameters()).device).train(self.training)

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


def _without_softmax(network: Any, pictures: Tensor) -> Any:
    """The model without the softmax that it ends in, if that is a layer's.

    Which layer's it is, is seen by how the output comes about without it.
    """
    import keras

    last = network.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        with suppress(AttributeError, ValueError):  # of a model that is no graph of layers
            if network.outputs[0] is last.output:
                return keras.Model(network.inputs, last.input)
    if squashed_by(network(pictures, training=False)) != "softmax":
        return network
    ends = (keras.activations.softmax, keras.activations.log_softmax)
    for _, layer in reversed(_leaves(network)):
        kept = getattr(layer, "activation", None)
        if kept in ends:
            layer.activation = keras.activations.linear
            if squashed_by(network(pictures, training=False)) is None:
                break
            layer.activation = kept
    return network


def _leaves(network: Any, within: str = "") -> list[tuple[str, Any]]:
    """The layers of a model and of those in it, with their names."""
    found: list[tuple[str, Any]] = []
    for layer in network.layers:
        name = f"{within}{layer.name}"
        found += _leaves(layer, f"{name}.") if hasattr(layer, "layers") else [(name, layer)]
    return found
