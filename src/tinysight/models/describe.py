"""What a network consists of: shapes, parameters, operations and receptive fields, by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tinysight.models.classifier import Classifier
from tinysight.models.keras_network import KerasNetwork

__all__ = ["Description", "Layer", "describe"]


@dataclass(frozen=True)
class Layer:
    """One layer, in the order of the computation.

    Attributes:
        name: its path in the model, as `get_submodule` takes it.
        kind: its class.
        output: c h w, or k; without the batch. A Keras model's as its layers have it, h w c.
        parameters: learnable numbers; a layer that is used twice counts them once.
        flops: of one picture, see Description.
        receptive_field: side of the square of pixels that one output depends on, the larger
            side where it is no square, borders ignored; None where it is the whole picture.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    flops: int
    receptive_field: int | None


@dataclass(frozen=True)
class Description:
    """A network in numbers.

    Attributes:
        note: what was chosen for this size of picture.
        parameters: learnable numbers.
        trainable: those of them that are not frozen.
        statistics: running means and variances of the batch norms, which Keras counts as
            parameters and torch does not.
        flops: two for each multiply-add of convolutions and matrix products, forward, one
            picture. Biases, norms, activations, poolings and sums are not counted.
    """

    name: str
    note: str
    layers: tuple[Layer, ...]
    parameters: int
    trainable: int
    statistics: int
    flops: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for model.json."""
        values = asdict(self)
        values["layers"] = [{**row, "output": list(row["output"])} for row in values["layers"]]
        return values


def describe(model: Classifier, shape: tuple[int, int, int]) -> Description:
    """Describe a model by following one black picture of `shape` (h w c) through it.

    The model is left as found: modes, hooks, gradients, statistics.

    Raises:
        ModelError: the model was built for another shape.
    """
    h, w, c = shape
    device = next(model.buffers()).device
    picture = torch.zeros(1, c, h, w, device=device)
    follow = _Follow(picture)
    layers: list[Layer] = []
    counted: set[int] = set()
    before: list[int] = []

    def enter(*_: Any) -> None:
        before.append(follow.flops)

    def leave(name: str, layer: Any, weights: Iterable[Any], outputs: Any) -> None:
        flops = follow.flops - before.pop()
        output = next((out for out in _flat(outputs) if isinstance(out, Tensor)), None)
        if output is None:
            return
        own = {id(w): math.prod(w.shape) for w in weights if id(w) not in counted}
        counted.update(own)
        layers.append(
            Layer(
                name,
                type(layer).__name__,
                tuple(output.shape[1:]),
                sum(own.values()),
                flops,
                follow.receptive_field(output),
            )
        )

    leaves = {n: m for n, m in model.named_modules() if not any(True for _ in m.children())}
    modes = [(module, module.training) for module in model.modules()]
    with ExitStack() as stack:
        for module, training in modes:
            stack.callback(setattr, module, "training", training)
        model.eval()
        for name, module in leaves.items():
            if isinstance(module, KerasNetwork):
                stack.enter_context(module.watched(enter, leave))
                continue
            before_it = module.register_forward_pre_hook(enter)
            after_it = module.register_forward_hook(
                lambda m, _, out, name=name: leave(name, m, m.parameters(), out)
            )
            stack.callback(before_it.remove)
            stack.callback(after_it.remove)
        with torch.no_grad(), follow:
            model(picture)
    return Description(
        name=model.name,
        note=model.note,
        layers=tuple(layers),
        parameters=sum(p.numel() for p in model.parameters()),
        trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
        statistics=sum(
            b.numel()
            for n, b in model.named_buffers()
            if n.endswith(("running_mean", "running_var", "moving_mean", "moving_variance"))
        ),
        flops=follow.flops,
    )


class _Span(NamedTuple):
    """Along one axis: output 0 depends on pixels `first` to `last`, output 1 on `jump` further."""

    first: int
    last: int
    jump: int

    def slide(self, kernel: int, stride: int, padding: int, dilation: int) -> _Span:
        """The span after a window has slid over."""
        reach = dilation * (kernel - 1)
        return _Span(
            self.first - padding * self.jump,
            self.last + (reach - padding) * self.jump,
            self.jump * stride,
        )


_Reach = tuple[_Span, _Span] | None  # along h and w; None: the whole picture


class _Follow(TorchDispatchMode):
    """Follow every operation, so that sums and branches outside of layers are seen as well."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__()
        self.flops = 0
        start = _Span(0, 0, 1)
        self._reach: dict[int, _Reach] = {id(picture): (start, start)}
        self._alive: list[Tensor] = [picture]  # an id is only good while its tensor lives

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import its compiler (800 modules, 2 s) to keep it out of __torch_dispatch__
        return False

    def receptive_field(self, x: Tensor) -> int | None:
        """Return the longer side of what one value of `x` depends on, pixels."""
        reach = self._reach.get(id(x))
        return None if reach is None else max(s.last - s.first + 1 for s in reach)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        declared = func._schema.arguments
        given = {a.name: a.default_value for a in declared if a.has_default_value()}
        given |= dict(zip((a.name for a in declared), args, strict=False))
        given |= kwargs or {}
        outputs = [t for t in _flat(result) if isinstance(t, Tensor)]
        operation = func._schema.name.removeprefix("aten::")
        if outputs:
            self.flops += _flops(operation, given, outputs[0])
        inputs = [t for t in _flat(given.values()) if isinstance(t, Tensor)]
        inputs = [t for t in inputs if id(t) in self._reach]
        if inputs:  # else only weights are at work
            for output in outputs:
                self._reach[id(output)] = self._reach_of(operation, given, inputs, output)
                self._alive.append(output)
        return result

    def _reach_of(
        self, operation: str, given: dict[str, Any], inputs: list[Tensor], output: Tensor
    ) -> _Reach:
        reaches = [self._reach[id(t)] for t in inputs]
        spans = [r for r in reaches if r is not None]
        if len(spans) < len(reaches) or output.ndim != 4 or operation in _WHOLE:
            return None
        if given.get("transposed"):
            return None
        if operation in _WINDOWS:
            kernel = given["weight"].shape[2:] if "weight" in given else given["kernel_size"]
            stride, padding = given["stride"] or kernel, given["padding"]
            sizes = (_pair(v) for v in (kernel, stride, padding, given.get("dilation", 1)))
            windows = zip(*sizes, strict=True)
            h, w = (s.slide(*window) for s, window in zip(spans[0], windows, strict=True))
            return h, w
        if operation in _PADDINGS:
            left, _, top, _ = [*given[_PADDINGS[operation]], 0, 0, 0, 0][:4]
            down, across = spans[0]
            return down.slide(1, 1, top, 1), across.slide(1, 1, left, 1)
        if any(t.shape[2:] != output.shape[2:] for t in inputs):
            return None
        h, w = (
            _Span(min(s.first for s in axis), max(s.last for s in axis), max(s.jump for s in axis))
            for axis in zip(*spans, strict=True)
        )
        return h, w


_WINDOWS = {"convolution", "avg_pool2d", "max_pool2d_with_indices"}
_PADDINGS = {
    "constant_pad_nd": "pad",
    "reflection_pad2d": "padding",
    "replication_pad2d": "padding",
}
_WHOLE = {"mean", "adaptive_max_pool2d", "_adaptive_avg_pool2d"}
_LEFT = {"mm": "self", "bmm": "self", "addmm": "mat1", "baddbmm": "batch1"}  # the left factor


def _flops(operation: str, given: dict[str, Any], output: Tensor) -> int:
    """Two for each multiply-add of the operation."""
    if operation == "convolution":
        maps = given["input"] if given["transposed"] else output
        return 2 * given["weight"].numel() * maps.shape[0] * math.prod(maps.shape[2:])
    if operation in _LEFT:
        return 2 * output.numel() * given[_LEFT[operation]].shape[-1]
    return 0


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    """A size along h and w from one number for both, or two."""
    if isinstance(value, int):
        return value, value
    h, *w = value
    return h, w[0] if w else h


def _flat(values: Any) -> list[Any]:
    """The values of nested lists, in order."""
    if isinstance(values, Tensor) or not hasattr(values, "__iter__") or isinstance(values, str):
        return [values]
    return [leaf for value in values for leaf in _flat(value)]
